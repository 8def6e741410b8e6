//! The fuzzers' stored corpus, once through what they do.

use std::{fs, path::Path};

use tempfile::NamedTempFile;

#[path = "../../fuzz/src/case.rs"]
mod case;
#[path = "../../fuzz/src/sparse.rs"]
mod sparse;

/// Runs `check` on each file of a target's corpus.
fn replay(target: &str, write: impl Fn(&[u8], &Path), check: impl Fn(&Path)) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        let file = NamedTempFile::new().unwrap();
        write(&fs::read(entry.unwrap().path()).unwrap(), file.path());
        check(file.path());
        inputs += 1;
    }
    assert!(inputs > 0, "{target}");
}

fn write_sparse(input: &[u8], path: &Path) {
    // The shortest inputs describe nothing.
    let Some(sparse) = sparse::Sparse::decode(input) else { return };
    // What is described is what is encoded: a corpus of another version of the code would test nothing.
    assert_eq!(sparse::Sparse::decode(&sparse.encode()).as_ref(), Some(&sparse));
    // A file system may have no room for the longest; the fuzzers run in memory.
    if !sparse.is_compressed() && sparse.length <= 8 << 40 {
        sparse.write(&fs::File::options().read(true).write(true).open(path).unwrap()).unwrap();
    }
}

#[test]
fn open() {
    replay("open", write_sparse, |path| drop(case::open(path)));
}

#[test]
fn read() {
    replay("read", write_sparse, case::read);
}

#[test]
fn facts() {
    replay("facts", write_sparse, case::facts);
}

#[test]
fn unpack() {
    replay("unpack", |input, path| fs::write(path, input).unwrap(), |path| drop(case::open(path)));
}
