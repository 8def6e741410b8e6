# The calls of a repository that publishes NixOS images with a shell script: an object, an import that is looked at until it
# is over, an AMI, and the object is removed. The image is $1, the bucket $2; prints the AMI's id.
set -euo pipefail
image=$1 bucket=$2 name="vms-nix-$(date +%s)"

aws s3 cp "$image" "s3://$bucket/$name.vhd" --quiet
task=$(aws ec2 import-snapshot \
    --disk-container "Format=VHD,UserBucket={S3Bucket=$bucket,S3Key=$name.vhd}" \
    --query ImportTaskId --output text)
for _ in $(seq 60); do
    status=$(aws ec2 describe-import-snapshot-tasks --import-task-ids "$task" \
        --query 'ImportSnapshotTasks[0].SnapshotTaskDetail.Status' --output text)
    [ "$status" = active ] || break
done
[ "$status" = completed ]
snapshot=$(aws ec2 describe-import-snapshot-tasks --import-task-ids "$task" \
    --query 'ImportSnapshotTasks[0].SnapshotTaskDetail.SnapshotId' --output text)
ami=$(aws ec2 register-image --architecture x86_64 --ena-support --name "$name" --description "A NixOS AMI" \
    --virtualization-type hvm \
    --block-device-mappings "DeviceName=/dev/sda1,Ebs={SnapshotId=$snapshot}" --root-device-name /dev/sda1 \
    --query ImageId --output text)
aws ec2 wait image-available --image-ids "$ami"
aws s3 rm "s3://$bucket/$name.vhd" --quiet
aws ec2 describe-images --image-ids "$ami" --query 'Images[0].[State,Architecture,VirtualizationType]' --output text >&2
echo "$ami"
