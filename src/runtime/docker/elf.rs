//! Just enough of the ELF format to pack a program: which loader it wants, and where what is loaded ends.
//!
//! Everything behind the last segment (debug information, symbols, section headers) is of no use to a running
//! program, and most of a file: it is cut off.

/// What is known of a program or library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// Path of the loader (`PT_INTERP`); none for a library or a static program.
    pub interpreter: Option<String>,
    /// How many bytes of the file are used at run time.
    pub used: usize,
}

const SEGMENT_INTERPRETER: u64 = 3;
/// Offset and size of the fields of the file's header that point to sections (`e_shoff`, `e_shnum` and `e_shstrndx`).
const SECTION_FIELDS: [(usize, usize); 2] = [(0x28, 8), (0x3c, 4)];

/// Reads the headers of a 64-bit little-endian file; none if it is something else, or cut short.
#[must_use]
pub fn read(file: &[u8]) -> Option<Elf> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let start = usize::try_from(number(file, 0x20, 8)?).ok()?;
    let size = usize::try_from(number(file, 0x36, 2)?).ok()?;
    let count = usize::try_from(number(file, 0x38, 2)?).ok()?;
    let mut elf = Elf {
        interpreter: None,
        used: start.checked_add(size.checked_mul(count)?)?,
    };
    for index in 0..count {
        let header = file.get(start + index * size..start + (index + 1) * size)?;
        let offset = usize::try_from(number(header, 0x08, 8)?).ok()?;
        let length = usize::try_from(number(header, 0x20, 8)?).ok()?;
        if length == 0 {
            continue;
        }
        let content = file.get(offset..offset.checked_add(length)?)?;
        elf.used = elf.used.max(offset + length);
        if number(header, 0, 4)? == SEGMENT_INTERPRETER {
            let path = content.split(|byte| *byte == 0).next()?;
            elf.interpreter = Some(String::from_utf8(path.to_vec()).ok()?);
        }
    }
    Some(elf)
}

/// Cuts a file down to what is used at run time. A file that is no ELF file stays as it is.
pub fn strip(file: &mut Vec<u8>) {
    let Some(elf) = read(file) else { return };
    file.truncate(elf.used);
    for (offset, size) in SECTION_FIELDS {
        if let Some(field) = file.get_mut(offset..offset + size) {
            field.fill(0);
        }
    }
}

fn number(bytes: &[u8], offset: usize, size: usize) -> Option<u64> {
    let field = bytes.get(offset..offset.checked_add(size)?)?;
    Some(
        field
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_was_cut_down_still_runs() {
        let mut file = std::fs::read("/bin/true").unwrap();
        let before = read(&file).unwrap();
        assert!(before.interpreter.is_some());
        strip(&mut file);
        assert_eq!(read(&file).unwrap(), before);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("true");
        std::fs::write(&path, &file).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        // Another test may fork while the file is still open for writing here; then it cannot be run yet.
        let status = loop {
            match std::process::Command::new(&path).status() {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                status => break status.unwrap(),
            }
        };
        assert!(status.success());
    }

    #[test]
    fn what_is_no_program_stays_as_it_is() {
        let mut text = b"#!/bin/sh\n".to_vec();
        strip(&mut text);
        assert_eq!(text, b"#!/bin/sh\n");
    }

    proptest! {
        #[test]
        fn no_file_is_too_broken(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut file = b"\x7fELF\x02\x01".to_vec();
            file.extend(tail);
            strip(&mut file);
        }
    }
}
