# An image without a gallery, as the scripts of nixpkgs' azure-new make it: no location and no generation is said. The image is
# a fixed VHD, $1; prints the image's id.
set -euo pipefail
image=$1 group=nixos-images
bytes=$(stat --format %s "$image")

az account list --output none
az group create --name "$group" --location westus2 --output none
az disk create --resource-group "$group" --name nixos --for-upload true --upload-size-bytes "$bytes" --output none
sas=$(az disk grant-access --resource-group "$group" --name nixos --access-level Write --duration-in-seconds 3600 \
    --query accessSAS --output tsv)
upload "$sas" "$image"
az disk revoke-access --resource-group "$group" --name nixos --output none
disk=$(az disk show --resource-group "$group" --name nixos --query id --output tsv)
az image create --resource-group "$group" --name nixos --source "$disk" --os-type linux --query id --output tsv
