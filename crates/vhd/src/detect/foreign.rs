use std::{fmt, path::Path};

/// A format that is recognised so that the error can say how to convert it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    Qcow,
    Vmdk,
    Vhdx,
    Vdi,
    Qed,
    Iso,
    Bzip2,
    Lz4,
    Zip,
    Tar,
}

/// Enough of a file's start to tell every format, the ISO 9660 descriptor at 32 KiB included.
pub(super) const HEAD: usize = 0x8006;

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Qcow => "a qcow2 image",
            Self::Vmdk => "a VMDK image",
            Self::Vhdx => "a VHDX image",
            Self::Vdi => "a VDI image",
            Self::Qed => "a QED image",
            Self::Iso => "an ISO 9660 image",
            Self::Bzip2 => "compressed with bzip2",
            Self::Lz4 => "compressed with lz4",
            Self::Zip => "a ZIP archive",
            Self::Tar => "a tar archive",
        })
    }
}

impl Foreign {
    /// How to make a publishable image of it.
    pub(crate) fn cure(self, path: &Path) -> String {
        let path = path.display();
        let format = match self {
            Self::Qcow => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhdx => "vhdx",
            Self::Vdi => "vdi",
            Self::Qed => "qed",
            Self::Iso => return "an installation medium is no disk; build a disk image instead".into(),
            Self::Bzip2 => {
                return format!("unpack it: bzip2 -dc '{path}' > disk.vhd; zstd, gzip and xz are read as they are");
            }
            Self::Lz4 => {
                return format!("unpack it: lz4 -dc '{path}' > disk.vhd; zstd, gzip and xz are read as they are");
            }
            Self::Tar => return format!("unpack it: tar -xf \'{path}\'; then publish the disk in it"),
            Self::Zip => return format!("unpack it: unzip '{path}'; zstd, gzip and xz are read as they are"),
        };
        format!("convert it: qemu-img convert -f {format} -O vpc -o subformat=dynamic,force_size=on '{path}' disk.vhd")
    }

    /// What a file that starts with `head` is.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let signatures: [(usize, &[u8], Self); 12] = [
            (0, b"QFI\xfb", Self::Qcow),
            (0, b"KDMV", Self::Vmdk),
            (0, b"COWD", Self::Vmdk),
            (0, b"# Disk DescriptorFile", Self::Vmdk),
            (0, b"vhdxfile", Self::Vhdx),
            (0x40, b"\x7f\x10\xda\xbe", Self::Vdi),
            (0, b"QED\0", Self::Qed),
            (0x8001, b"CD001", Self::Iso),
            (0, b"BZh", Self::Bzip2),
            (0, b"\x04\x22\x4d\x18", Self::Lz4),
            (0, b"PK\x03\x04", Self::Zip),
            (257, b"ustar", Self::Tar),
        ];
        signatures.into_iter().find(|(at, magic, _)| head.get(*at..).is_some_and(|h| h.starts_with(magic))).map(|s| s.2)
    }
}
