//! What layouts say of sizes and extents.

use tempfile::TempDir;
use vhd::{CONTENT_BLOCK, DynamicVhd, Error, FixedVhd, GIB, Layout, MIB, Raw, layout};

use crate::disk::{self, open};

#[test]
fn padding_past_the_last_gibibyte_is_dropped_and_data_there_is_not() {
    let dir = TempDir::new().unwrap();
    // What qemu-img makes of a 4 GiB disk when it rounds to cylinders.
    let padded = 4_295_467_008;
    let zeros = disk::raw(&dir.path().join("zeros"), padded, &[((4 << 30) - 512, 512)]);
    assert_eq!(layout::size_without_padding(&open(&zeros)).unwrap(), 4 << 30);
    let data = disk::raw(&dir.path().join("data"), padded, &[(4 << 30, 1)]);
    assert_eq!(layout::size_without_padding(&open(&data)).unwrap(), padded);
    assert!(Raw::new(open(&data), 4 << 30).is_err());
    assert!(DynamicVhd::new(open(&data), 4 << 30).is_err());
    let free = disk::raw(&dir.path().join("free"), (4 << 30) + (700 << 20), &[(0, 512)]);
    assert_eq!(
        layout::size_without_padding(&open(&free)).unwrap(),
        (4 << 30) + (700 << 20),
        "free space is no padding"
    );
    let small = disk::raw(&dir.path().join("small"), 3 << 20, &[]);
    assert_eq!(layout::size_without_padding(&open(&small)).unwrap(), 3 << 20);
}

#[test]
fn extents_follow_the_data_and_not_the_disk() {
    let dir = TempDir::new().unwrap();
    let raw = disk::raw(&dir.path().join("sparse"), 1 << 40, &[(0, 4096), (1 << 39, 4096)]);
    let image = open(&raw);
    let stored: u64 = vhd::extent::total(image.extents());
    assert!(stored <= 4 * CONTENT_BLOCK, "a tebibyte with two pages of data stores {stored} bytes");
    assert_eq!(image.content().unwrap().blocks().len(), 2);
    let layout = FixedVhd::new(image, 1 << 40).unwrap();
    assert!(vhd::extent::total(layout.extents()) <= 2 * CONTENT_BLOCK + 512);
}

#[test]
fn growing_is_to_whole_mebibytes_and_never_by_one_too_many() {
    for (size, aligned) in [(1, MIB), (MIB - 512, MIB), (MIB, MIB), (MIB + 512, 2 * MIB), (4 * GIB, 4 * GIB)] {
        assert_eq!(FixedVhd::aligned(size), aligned);
    }
}

#[test]
fn a_disk_past_2040_gib_is_no_vhd() {
    let dir = TempDir::new().unwrap();
    let limit = 2040 * GIB;
    let fits = open(&disk::raw(&dir.path().join("fits"), limit, &[(limit - 512, 512)]));
    assert_eq!(FixedVhd::new(fits.clone(), limit).unwrap().length(), limit + 512);
    assert_eq!(DynamicVhd::new(fits, limit).unwrap().extents().len(), 1);
    let large = open(&disk::raw(&dir.path().join("large"), limit + 512, &[]));
    for error in [
        FixedVhd::new(large.clone(), limit + 512).map(drop).unwrap_err(),
        DynamicVhd::new(large.clone(), limit + 512).map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            "a disk of 2190433321472 bytes does not fit a VHD, which ends at 2190433320960 bytes (2040 GiB)"
        );
    }
    assert_eq!(Raw::new(large, limit + 512).unwrap().length(), limit + 512);
}

#[test]
fn what_is_read_otherwise_than_it_was_first_is_noticed_whatever_the_files_time_says() {
    let dir = TempDir::new().unwrap();
    let size = 8 * MIB;
    let path = disk::raw(&dir.path().join("disk"), size, &[(0, 4096), (3 * MIB - 100, 200), (size - 512, 512)]);
    let image = open(&path);
    image.content().unwrap();
    let mut beginning = [0; 16];
    image.read_at(&mut beginning, 0).unwrap();
    let layouts: [Box<dyn Layout>; 3] = [
        Box::new(Raw::new(image.clone(), size).unwrap()),
        Box::new(FixedVhd::new(image.clone(), size).unwrap()),
        Box::new(DynamicVhd::new(image.clone(), size).unwrap()),
    ];
    let read = |layout: &dyn Layout| {
        let mut bytes = vec![0; layout.length() as usize];
        layout.read_at(&mut bytes, 0).map(|()| bytes)
    };
    for layout in &layouts {
        let mut bytes = read(&**layout).unwrap();
        layout.check(&bytes, 0).unwrap();
        layout.check(&bytes[700..], 700).unwrap();
        let first = bytes.windows(16).position(|window| window == beginning).unwrap();
        // A byte of the data, one of the zeros behind it, and one in a block of zeros.
        for at in [first, first + 4096, first + MIB as usize] {
            bytes[at] ^= 1;
            assert!(matches!(layout.check(&bytes, 0), Err(Error::Changed { .. })), "{:?} {at}", layout.format());
            bytes[at] ^= 1;
        }
    }
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(MIB).unwrap();
    for layout in &layouts {
        assert!(matches!(read(&**layout).unwrap_err(), Error::Changed { .. }), "a file that is shorter than it was");
    }
}

#[test]
fn the_checksum_of_a_dynamic_vhd_is_known_without_reading_it() {
    let dir = TempDir::new().unwrap();
    for (size, data) in
        [(8 * MIB, &[(0, 4096), (3 * MIB - 100, 200)][..]), (5 * MIB + 512, &[(5 * MIB, 512)]), (4 * MIB, &[])]
    {
        let image = open(&disk::raw(&dir.path().join("disk"), size, data));
        let layout = DynamicVhd::new(image.clone(), image.virtual_size()).unwrap();
        let mut bytes = vec![0; layout.length() as usize];
        layout.read_at(&mut bytes, 0).unwrap();
        let whole = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes);
        assert_eq!(layout.crc64().unwrap(), whole, "{size}");
    }
}
