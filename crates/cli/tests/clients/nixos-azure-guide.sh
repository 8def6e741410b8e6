# A NixOS image on Azure by hand, from a disk to a version in three regions. The image is a fixed VHD, $1; the names end in $2.
# `upload URL FILE` brings the file to a disk.
set -euo pipefail
image=$1 suffix=$2 group="images-$2"
bytes=$(stat --format %s "$image")

az group create --name "$group" --location westus2 --output none
az disk create --resource-group "$group" --name disk --location westus2 --upload-type Upload \
    --upload-size-bytes "$bytes" --os-type Linux --hyper-v-generation V2 --sku Standard_LRS --output none
sas=$(az disk grant-access --resource-group "$group" --name disk --access-level Write --duration-in-seconds 86400 \
    --query accessSAS --output tsv)
upload "$sas" "$image"
az disk revoke-access --resource-group "$group" --name disk --output none
disk=$(az disk show --resource-group "$group" --name disk --query id --output tsv)
az image create --resource-group "$group" --name image --source "$disk" --os-type Linux --hyper-v-generation V2 --output none
image_id=$(az image show --resource-group "$group" --name image --query id --output tsv)
az sig create --resource-group "$group" --gallery-name "gallery_$suffix" --output none
az sig image-definition create --resource-group "$group" --gallery-name "gallery_$suffix" \
    --gallery-image-definition node --publisher nixos --offer nixos --sku node --os-type Linux --os-state Generalized \
    --hyper-v-generation V2 --output none
az sig image-version create --resource-group "$group" --gallery-name "gallery_$suffix" \
    --gallery-image-definition node --gallery-image-version 1.0.0 --managed-image "$image_id" \
    --target-regions westus2=2 eastus=2 westeurope=2 --output none
version=(--resource-group "$group" --gallery-name "gallery_$suffix" --gallery-image-definition node)
az sig image-version show "${version[@]}" --gallery-image-version 1.0.0 --expand ReplicationStatus \
    --query '[provisioningState, publishingProfile.targetRegions[].[name, regionalReplicaCount], replicationStatus.summary[].state]' \
    --output json
az sig image-version list "${version[@]}" --query 'length(@)' --output tsv >&2
az image list --resource-group "$group" --query 'length(@)' --output tsv >&2
