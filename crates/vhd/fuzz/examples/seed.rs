//! Makes an input of a real file: `seed FILE > corpus/NAME`. Only sectors that are not zero are taken.

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write},
};

use vhd_fuzz::sparse::Sparse;

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("which file?")?;
    let bytes = fs::read(path)?;
    let mut sparse = Sparse { flags: 0, length: bytes.len() as u64, records: Vec::new() };
    for (index, sector) in bytes.chunks(512).enumerate().filter(|(_, sector)| sector.iter().any(|byte| *byte != 0)) {
        // The zeros at a sector's end are many and say nothing.
        let end = sector.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let at = index as u64 * 512;
        match sparse.records.last_mut() {
            Some((start, record)) if *start + record.len() as u64 == at && record.len() < 8192 => {
                record.extend(&sector[..end]);
            }
            _ => sparse.records.push((at, sector[..end].to_vec())),
        }
    }
    io::stdout().write_all(&sparse.encode())?;
    Ok(())
}
