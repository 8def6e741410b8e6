# shellcheck shell=bash disable=SC2154
mkdir -p "$out/nix-support"
raw=$PWD/nixos.raw
truncate -s "${diskSize}M" "$raw"
# 8 MiB to where the root file system begins (nixpkgs, make-disk-image.nix, "efi").
end=${bootSize%M}
printf 'label: gpt\nstart=8MiB, size=%sMiB, type=uefi\nstart=%sMiB, type=linux\n' $((end - 8)) "$end" | sfdisk --quiet "$raw"

mkfs.vfat -C -n ESP esp.img $(((end - 8) * 1024)) > /dev/null
# The header of a program for EFI: where its second header is, and in that the machine it is for.
case $machine in X64) code='\x64\x86' ;; AA64) code='\x64\xaa' ;; esac
{ printf 'MZ'; head -c 58 /dev/zero; printf '\x40\0\0\0PE\0\0'"$code"; head -c 64 /dev/zero; echo "$label"; } > boot.efi
mmd -i esp.img ::/EFI ::/EFI/BOOT
mcopy -i esp.img boot.efi "::/EFI/BOOT/BOOT$machine.EFI"
dd if=esp.img of="$raw" bs=1M seek=8 conv=notrunc,sparse status=none
# Something of the system, for the image to differ from others.
printf '%s' "$name" | dd of="$raw" bs=1M seek="$end" conv=notrunc status=none

diskImage=$out/$baseName.$extension
if [ "$format" = raw ]; then mv "$raw" "$diskImage"; else qemu-img convert -f raw -O "$format" "$raw" "$diskImage"; fi
echo "file $format-image $diskImage" > "$out/nix-support/hydra-build-products"
eval "$postVM"
