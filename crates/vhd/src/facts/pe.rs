use super::Architecture;

/// The machine a PE file runs on (Microsoft PE format, "COFF File Header").
pub fn architecture(file: &[u8]) -> Option<Architecture> {
    let header = file.strip_prefix(b"MZ").and_then(|_| file.get(0x3c..0x40))?;
    let at = u32::from_le_bytes(header.try_into().ok()?) as usize;
    let machine = file.get(at..)?.strip_prefix(b"PE\0\0")?.first_chunk::<2>()?;
    match u16::from_le_bytes(*machine) {
        0x8664 => Some(Architecture::X86_64),
        0xaa64 => Some(Architecture::Arm64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pe(machine: u16) -> Vec<u8> {
        let mut file = vec![0; 0x100];
        file[..2].copy_from_slice(b"MZ");
        file[0x3c] = 0x80;
        file[0x80..0x84].copy_from_slice(b"PE\0\0");
        file[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
        file
    }

    #[test]
    fn the_machine_field_decides() {
        assert_eq!(architecture(&pe(0x8664)), Some(Architecture::X86_64));
        assert_eq!(architecture(&pe(0xaa64)), Some(Architecture::Arm64));
        assert_eq!(architecture(&pe(0x014c)), None);
    }

    #[test]
    fn anything_else_is_no_answer() {
        let mut lies = pe(0x8664);
        lies[0x3f] = 0xff;
        for file in [&b""[..], b"MZ", b"\x7fELF", &lies, &pe(0x8664)[..0x85]] {
            assert_eq!(architecture(file), None);
        }
    }
}
