#!/usr/bin/env bash
# Boots a raw disk with UEFI in QEMU, as an NVMe disk, which both clouds have, with its console on this terminal. What the machine writes is thrown away; Ctrl-a x ends it.
set -euo pipefail
disk=$1
arch=$(uname -m)

case $arch in
    x86_64)
        machine=(qemu-system-x86_64 -machine q35)
        candidates=(/usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/OVMF/OVMF_CODE.fd /usr/share/edk2/x64/OVMF_CODE.4m.fd)
        ;;
    aarch64)
        machine=(qemu-system-aarch64 -machine virt)
        candidates=(/usr/share/AAVMF/AAVMF_CODE.fd /usr/share/edk2/aarch64/QEMU_CODE.fd)
        ;;
    *)
        echo "error: images are for x86_64 and aarch64, and this machine is $arch" >&2
        exit 2
        ;;
esac
firmware=
for candidate in "${OVMF_CODE:-}" "${candidates[@]}"; do
    if [ -f "$candidate" ]; then
        firmware=$candidate
        break
    fi
done
if [ -z "$firmware" ]; then
    echo 'error: there is no UEFI firmware for QEMU on this machine' >&2
    echo 'hint: install ovmf (qemu-efi-aarch64 on Arm), or name its code: OVMF_CODE=…/OVMF_CODE.fd' >&2
    exit 2
fi
if ! command -v "${machine[0]}" > /dev/null; then
    echo "error: ${machine[0]} is not installed" >&2
    exit 2
fi
accelerator=tcg
if [ -w /dev/kvm ] && [ -z "${NO_KVM:-}" ]; then accelerator=kvm; fi

exec "${machine[@]}" -accel "$accelerator" -cpu max -smp 2 -m 2048 -nographic -no-reboot \
    -drive "if=pflash,unit=0,format=raw,readonly=on,file=$firmware" \
    -drive "if=none,id=disk,format=raw,snapshot=on,file=$disk" -device nvme,drive=disk,serial=disk \
    -nic user,model=e1000
