# Takes back what nixos-azure-guide.sh has made with names that end in $1, and the versions that follow.
set -euo pipefail
suffix=$1 group="images-$1"
shift
gallery=(--resource-group "$group" --gallery-name "gallery_$suffix")

for version in "$@"; do
    az sig image-version delete "${gallery[@]}" --gallery-image-definition node --gallery-image-version "$version"
done
az sig image-definition delete "${gallery[@]}" --gallery-image-definition node
az sig delete "${gallery[@]}"
az image delete --resource-group "$group" --name image
az disk delete --resource-group "$group" --name disk --yes
