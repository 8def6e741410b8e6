"""Makes a bucket on a moto that keeps what is deleted from it, and a user who may do everything but ask for imports, which moto
has none of; prints the user's key and secret. Or reads what was last put into the bucket."""

import json
import os
import sys
from urllib.request import Request, urlopen

import boto3

# What answers AccessDenied once, where moto itself would answer with status 500 for ever.
LACKS = ["ec2:DescribeImportSnapshotTasks", "ec2:ImportSnapshot"]

match sys.argv[1:]:
    case ["make", url]:
        s3, iam = boto3.client("s3"), boto3.client("iam")
        s3.create_bucket(Bucket="images")
        s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Enabled"})
        iam.create_user(UserName="publish")
        allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        deny = {"Effect": "Deny", "Action": LACKS, "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [allow, deny]}
        iam.put_user_policy(UserName="publish", PolicyName="publish", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="publish")["AccessKey"]
        # From here on moto verifies signatures, and asks its IAM.
        urlopen(Request(f"{url}/moto-api/reset-auth", data=b"0", headers={"content-type": "text/plain"}))
        print(json.dumps([key["AccessKeyId"], key["SecretAccessKey"]]))
    case ["read", key, secret, to]:
        s3 = boto3.client("s3", aws_access_key_id=key, aws_secret_access_key=secret)
        [version] = s3.list_object_versions(Bucket="images")["Versions"]
        s3.download_file("images", version["Key"], to, ExtraArgs={"VersionId": version["VersionId"]})
        uploads = s3.list_multipart_uploads(Bucket="images").get("Uploads", [])
        present = s3.list_objects_v2(Bucket="images").get("Contents", [])
        print(json.dumps({"parts": int(version["ETag"].strip('"').split("-")[1]), "left": len(uploads) + len(present)}))
