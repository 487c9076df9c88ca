//! Reading committed frames beside the writer.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use proof::{LeafIndex, TreeSize};

use super::format::{Parsed, parse_frame};
use super::map::{Block, Map, Stretch, push_block};
use crate::disk::{Access, Disk, DiskFile};
use crate::durable::IoError;
use crate::journal::{CommittedFrame, Damage, DamageKind, FrameVisitor, JournalReader, ReadError};
use crate::width::{in_memory, on_disk};

/// Reads segment files, one stretch of whole frames at a time.
#[derive(Clone, Debug)]
pub(super) struct SegmentReader {
    disk: Arc<dyn Disk>,
    map: Arc<Map>,
}

/// One call of `read`: its buffer, and the file that it last read from.
#[derive(Default)]
struct Cursor {
    buffer: Vec<u8>,
    open: Option<(PathBuf, Box<dyn DiskFile>)>,
}

impl SegmentReader {
    pub(super) const fn new(disk: Arc<dyn Disk>, map: Arc<Map>) -> Self {
        Self { disk, map }
    }
}

impl SegmentReader {
    /// Cuts a whole segment up into blocks: it is read at once for the last time.
    fn index(&self, data: &[u8], stretch: &Stretch) -> Result<(), ReadError> {
        let mut blocks = Vec::new();
        let mut offset = stretch.offset;
        let all = TreeSize::new(u64::MAX);
        visit_frames(data, stretch, all, &mut |frame, length| {
            push_block(&mut blocks, Block { first: frame.start.next_index(), offset });
            offset = offset.saturating_add(on_disk(length));
            ControlFlow::Continue(())
        })?;
        self.map.index(stretch.first, blocks, offset);
        Ok(())
    }
}

impl JournalReader for SegmentReader {
    fn size(&self) -> TreeSize {
        self.map.size()
    }

    fn first(&self) -> LeafIndex {
        self.map.first()
    }

    fn read(&self, from: LeafIndex, visit: &mut FrameVisitor<'_>) -> Result<(), ReadError> {
        let size = self.map.size();
        let mut cursor = Cursor::default();
        let mut next = from;
        while size.contains(next) {
            let Some(stretch) = self.map.stretch(next) else {
                return Err(ReadError::Reclaimed { first: self.map.first() });
            };
            if let Err(error) = cursor.load(&*self.disk, &stretch) {
                // A segment leaves the map before its file goes.
                let first = self.map.first();
                return Err(if next < first { ReadError::Reclaimed { first } } else { error.into() });
            }
            if !stretch.is_indexed {
                self.index(&cursor.buffer, &stretch)?;
                continue;
            }
            match visit_stretch(&cursor.buffer, &stretch, next, size, visit)? {
                ControlFlow::Continue(after) => next = after,
                ControlFlow::Break(()) => return Ok(()),
            }
        }
        Ok(())
    }
}

impl Cursor {
    fn load(&mut self, disk: &dyn Disk, stretch: &Stretch) -> Result<(), IoError> {
        if self.open.as_ref().is_none_or(|(path, _)| *path != stretch.path) {
            let file = disk.open(&stretch.path, Access::Read).map_err(IoError::at("open", &stretch.path))?;
            self.open = Some((stretch.path.clone(), file));
        }
        self.buffer.resize(in_memory(stretch.end.saturating_sub(stretch.offset)), 0);
        if let Some((path, file)) = &self.open {
            file.read_exact_at(&mut self.buffer, stretch.offset).map_err(IoError::at("read", path))?;
        }
        Ok(())
    }
}

/// Visits the frames of a stretch that hold leaves from `next` on and start before `size`; returns
/// the first leaf behind them.
fn visit_stretch(
    data: &[u8],
    stretch: &Stretch,
    next: LeafIndex,
    size: TreeSize,
    visit: &mut FrameVisitor<'_>,
) -> Result<ControlFlow<(), LeafIndex>, ReadError> {
    let mut is_over = false;
    let (end, offset) = visit_frames(data, stretch, size, &mut |frame, _| {
        if frame.end().contains(next) && visit(frame).is_break() {
            is_over = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    if is_over {
        return Ok(ControlFlow::Break(()));
    }
    if end.contains(next) {
        return Ok(ControlFlow::Continue(end.next_index()));
    }
    // The map says that the leaf is in this stretch, and it is not.
    let kind = DamageKind::EndsShort { must_reach: next.size_after() };
    Err(damage(stretch, offset, end, kind).into())
}

/// Visits the frames of a stretch that start before `size`, each with its length; returns where
/// they end, as a size and as an offset in the stretch.
fn visit_frames(
    data: &[u8],
    stretch: &Stretch,
    size: TreeSize,
    visit: &mut dyn FnMut(&CommittedFrame<'_>, usize) -> ControlFlow<()>,
) -> Result<(TreeSize, usize), ReadError> {
    let mut expected = TreeSize::new(stretch.first.get());
    let mut at = 0;
    while at < data.len() && expected < size {
        let (frame, length) = match parse_frame(data, at, stretch.offset, stretch.capacity) {
            Parsed::Frame(frame, length) => (frame, length),
            Parsed::End => break,
            Parsed::Bad { kind, .. } => return Err(damage(stretch, at, expected, kind).into()),
        };
        if frame.start != expected {
            let kind = DamageKind::FrameStart { expected, got: frame.start };
            return Err(damage(stretch, at, expected, kind).into());
        }
        expected = frame.end();
        at = at.saturating_add(length);
        if visit(&frame, length).is_break() {
            break;
        }
    }
    Ok((expected, at))
}

fn damage(stretch: &Stretch, at: usize, index: TreeSize, kind: DamageKind) -> Damage {
    Damage {
        file: stretch.path.clone(),
        offset: stretch.offset.saturating_add(on_disk(at)),
        index: index.next_index(),
        kind,
    }
}
