"""Writes what is in a snapshot, $1, to a file, $2, by EBS direct."""

import sys

import boto3

BLOCK = 512 << 10

ebs = boto3.client("ebs", region_name="us-east-1")
snapshot, to = sys.argv[1:]
with open(to, "wb") as file:
    request = {"SnapshotId": snapshot}
    while True:
        page = ebs.list_snapshot_blocks(**request)
        for block in page["Blocks"]:
            index, token = block["BlockIndex"], block["BlockToken"]
            got = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockToken=token)
            file.seek(index * BLOCK)
            file.write(got["BlockData"].read())
        if "NextToken" not in page:
            break
        request["NextToken"] = page["NextToken"]
