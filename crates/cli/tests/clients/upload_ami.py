"""The calls of the uploaders that people use today, with boto3 and its waiters: through S3 and ImportSnapshot, through EBS
direct, with a copy in another region, shared, public, deprecated. Prints what it made, as JSON."""

import base64
import hashlib
import json
import os
import sys

import boto3
from botocore.exceptions import ClientError

HOME, OTHER, BUCKET = "us-east-1", "eu-west-1", "publish-sandbox"
BLOCK = 512 << 10
QUICKLY = {"Delay": 1, "MaxAttempts": 60}

disk, name = sys.argv[1], sys.argv[2]
ec2, s3, ebs = (boto3.client(service, region_name=HOME) for service in ("ec2", "s3", "ebs"))
tags = [{"Key": "Name", "Value": name}]


def tagged(kind):
    return [{"ResourceType": kind, "Tags": tags}]


def through_s3():
    """An object in parts, and a snapshot imported from it."""
    assert ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "tag:Name", "Values": [name]}])["Snapshots"] == []
    try:
        s3.head_object(Bucket=BUCKET, Key=name)
        raise AssertionError("the object is there already")
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404, error
    # In parts of 8 MiB, with the checksums that boto3 chooses by itself.
    s3.upload_file(disk, BUCKET, name, ExtraArgs={"ChecksumAlgorithm": "SHA256"})
    container = {"Format": "RAW", "UserBucket": {"S3Bucket": BUCKET, "S3Key": name}}
    token = hashlib.sha256(name.encode()).hexdigest()
    first = ec2.import_snapshot(DiskContainer=container, ClientToken=token, RoleName="vmimport")
    again = ec2.import_snapshot(DiskContainer=container, ClientToken=token, RoleName="vmimport")
    assert first["ImportTaskId"] == again["ImportTaskId"], "one token, one task"
    task = {"ImportTaskIds": [first["ImportTaskId"]]}
    ec2.get_waiter("snapshot_imported").wait(**task, WaiterConfig=QUICKLY)
    detail = ec2.describe_import_snapshot_tasks(**task)["ImportSnapshotTasks"][0]["SnapshotTaskDetail"]
    ec2.create_tags(Resources=[detail["SnapshotId"]], Tags=tags)
    s3.delete_object(Bucket=BUCKET, Key=name)
    return detail["SnapshotId"]


def through_ebs():
    """A snapshot, block by block, each with its checksum, and read back."""
    started = ebs.start_snapshot(VolumeSize=-(-os.path.getsize(disk) >> 30), Timeout=60, ClientToken=name + "-ebs", Tags=tags, Description=name)
    assert started["BlockSize"] == BLOCK, started
    snapshot, digests, index = started["SnapshotId"], [], 0
    with open(disk, "rb") as file:
        while block := file.read(BLOCK):
            block = block.ljust(BLOCK, b"\0")
            if block.strip(b"\0"):
                digest = hashlib.sha256(block).digest()
                ebs.put_snapshot_block(
                    SnapshotId=snapshot,
                    BlockIndex=index,
                    BlockData=block,
                    DataLength=BLOCK,
                    Checksum=base64.b64encode(digest).decode(),
                    ChecksumAlgorithm="SHA256",
                )
                digests.append((index, digest))
            index += 1
    whole = hashlib.sha256(b"".join(digest for _, digest in digests)).digest()
    ebs.complete_snapshot(
        SnapshotId=snapshot,
        ChangedBlocksCount=len(digests),
        Checksum=base64.b64encode(whole).decode(),
        ChecksumAlgorithm="SHA256",
        ChecksumAggregationMethod="LINEAR",
    )
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig=QUICKLY)
    listed = ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
    assert [block["BlockIndex"] for block in listed] == [index for index, _ in digests]
    for block, (index, digest) in zip(listed, digests):
        got = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockToken=block["BlockToken"])
        assert hashlib.sha256(got["BlockData"].read()).digest() == digest
    return snapshot


def register(snapshot, called, region=HOME):
    client = boto3.client("ec2", region_name=region)
    made = client.register_image(
        Name=called,
        Architecture="x86_64",
        BootMode="uefi-preferred",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3"}}],
        RootDeviceName="/dev/xvda",
        VirtualizationType="hvm",
        EnaSupport=True,
        ImdsSupport="v2.0",
        SriovNetSupport="simple",
        TagSpecifications=tagged("image"),
    )["ImageId"]
    client.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=QUICKLY)
    return made


def copy_snapshot(snapshot):
    """A copy of the snapshot alone, from which each region registers an image of its own."""
    there = boto3.client("ec2", region_name=OTHER)
    copied = there.copy_snapshot(
        SourceRegion=HOME, SourceSnapshotId=snapshot, Description=name, TagSpecifications=tagged("snapshot")
    )["SnapshotId"]
    there.get_waiter("snapshot_completed").wait(SnapshotIds=[copied], WaiterConfig=QUICKLY)
    return copied


def copy(ami, called):
    there = boto3.client("ec2", region_name=OTHER)
    request = {"SourceImageId": ami, "SourceRegion": HOME, "Name": called, "ClientToken": ami}
    made = there.copy_image(**request, TagSpecifications=tagged("image") + tagged("snapshot"))["ImageId"]
    assert there.copy_image(**request)["ImageId"] == made, "one token, one copy"
    there.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=QUICKLY)
    return made


def open_up(region, ami):
    client = boto3.client("ec2", region_name=region)
    client.enable_image_deprecation(ImageId=ami, DeprecateAt="2037-01-01T00:00:00Z")
    account = [{"UserId": "210987654321"}]
    client.modify_image_attribute(ImageId=ami, LaunchPermission={"Add": account})
    client.modify_image_attribute(ImageId=ami, LaunchPermission={"Add": [{"Group": "all"}]})
    image = client.describe_images(ImageIds=[ami])["Images"][0]
    assert image["Public"] and image["DeprecationTime"].startswith("2037-01-01T00:00"), image
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    client.modify_snapshot_attribute(
        SnapshotId=snapshot,
        Attribute="createVolumePermission",
        OperationType="add",
        UserIds=["210987654321"],
    )
    attribute = client.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert attribute["CreateVolumePermissions"] == account, attribute
    parameter = {"Name": f"/images/{name}", "Type": "String", "DataType": "aws:ec2:image", "Value": ami}
    ssm = boto3.client("ssm", region_name=region)
    ssm.put_parameter(**parameter)
    assert ssm.get_parameter(Name=parameter["Name"])["Parameter"]["Value"] == ami


def retire(region, ami):
    """The way of those who clean up: the snapshot cannot go before the image."""
    client = boto3.client("ec2", region_name=region)
    image = client.describe_images(ImageIds=[ami])["Images"][0]
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    try:
        client.delete_snapshot(SnapshotId=snapshot)
        raise AssertionError("a snapshot in use is deleted")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidSnapshot.InUse", error
    client.deregister_image(ImageId=ami)
    client.delete_snapshot(SnapshotId=snapshot)
    assert client.describe_images(Owners=["self"], Filters=[{"Name": "image-id", "Values": [ami]}])["Images"] == []


imported, written = through_s3(), through_ebs()
made = {"imported": register(imported, name), "written": register(written, name + "-ebs")}
made["copied"] = copy(made["imported"], name)
made["registered"] = register(copy_snapshot(written), name + "-own", OTHER)
retire(OTHER, register(copy_snapshot(written), name + "-old", OTHER))
open_up(HOME, made["imported"])
open_up(OTHER, made["copied"])
try:
    register(imported, name)
    raise AssertionError("two images of one name")
except ClientError as error:
    assert error.response["Error"]["Code"] == "InvalidAMIName.Duplicate", error
print(json.dumps(made))
