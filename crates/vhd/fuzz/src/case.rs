//! What the targets do with a file. Nothing is expected of the outcome but that there is one.

use std::{path::Path, sync::Arc};

use vhd::{DynamicVhd, FixedVhd, Image, Layout, OpenOptions, Raw, extent};

/// More than this is not read: a sparse file of stored zeros may be of any size.
const MOST: u64 = 8 << 20;

/// Opens it, as it is and repaired.
pub fn open(path: &Path) -> Option<Image> {
    // A decoder may ask for as much as it is allowed.
    let options = OpenOptions::new().memory(4 << 20);
    match options.clone().open(path) {
        Ok(image) => {
            drop(image.warnings().iter().map(ToString::to_string).collect::<Vec<_>>());
            Some(image)
        }
        Err(error) => {
            drop((error.to_string(), error.hint()));
            options.repair(true).open(path).ok()
        }
    }
}

/// Reads it at every border that it has, whole if it is small, and through every layout.
pub fn read(path: &Path) {
    let Some(image) = open(path).map(Arc::new) else { return };
    let mut buffer = vec![0; 4096];
    let borders = image.extents().iter().take(64).flat_map(|extent| [extent.offset, extent.end()]);
    let size = image.virtual_size();
    for at in borders.chain([0, size, u64::MAX - 4095, u64::MAX]).flat_map(|at| [at.saturating_sub(7), at]) {
        drop(image.read_at(&mut buffer, at));
    }
    if extent::total(image.extents()) > MOST || image.content().is_err() {
        return;
    }
    let layouts: [Option<Box<dyn Layout>>; 3] = [
        Raw::new(image.clone(), size).ok().map(|layout| Box::new(layout) as _),
        FixedVhd::new(image.clone(), FixedVhd::aligned(size)).ok().map(|layout| Box::new(layout) as _),
        DynamicVhd::new(image.clone(), size).ok().map(|layout| Box::new(layout) as _),
    ];
    for layout in layouts.into_iter().flatten() {
        let borders = layout.extents().iter().take(16).flat_map(|extent| [extent.offset, extent.end()]);
        for at in borders.chain([layout.length(), u64::MAX]).flat_map(|at| [at.saturating_sub(700), at]) {
            drop(layout.read_at(&mut buffer, at));
        }
    }
}

/// Says what is on it.
pub fn facts(path: &Path) {
    let Some(image) = open(path) else { return };
    if let Ok(facts) = image.facts() {
        let _ = (facts.firmware(), facts.generation(), facts.architecture());
    }
    if extent::total(image.extents()) <= MOST {
        drop(vhd::layout::size_without_padding(&image));
    }
}
