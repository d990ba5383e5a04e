//! Plans that are kept: found by what they are for, and forgotten by age where their tables take too much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fft_core::Result;

use super::circular;
use super::plan::{Plan, PlanKey, Roots, Table, build};
use crate::context::Context;
use crate::memory::Block;

/// The most plans that are kept.
const MAX_PLANS: usize = 4096;

/// The most bytes of their tables; of more those that were not used for longest are made again when they are asked for.
const MAX_BYTES: u64 = 64 << 20;

/// The roots of the kernels of [`super::circular`] for lines of some length.
#[derive(Debug)]
pub(super) struct Circle {
    pub(super) tables: Block,
    /// Those between columns and rows of a long line.
    pub(super) between: Roots,
}

/// What a kept plan is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Plan(PlanKey),
    /// Lines of so many points, columns of a line of so many where that is longer.
    Circle(usize, usize),
}

/// What is kept.
#[derive(Debug, Clone)]
enum Kept {
    Plan(Arc<Plan>),
    Circle(Arc<Circle>),
}

impl Kept {
    fn tables(&self) -> Vec<&Block> {
        match self {
            Kept::Plan(plan) => plan.steps.iter().map(|s| &s.tables).collect(),
            Kept::Circle(circle) => vec![&circle.tables],
        }
    }

    fn bytes(&self) -> u64 {
        self.tables().iter().map(|t| t.size()).sum()
    }

    /// Whether no transform is using it.
    fn idle(&self) -> bool {
        match self {
            Kept::Plan(plan) => Arc::strong_count(plan) == 1,
            Kept::Circle(circle) => Arc::strong_count(circle) == 1,
        }
    }
}

/// The plans of a device.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    /// Each with the time of its last use.
    entries: HashMap<Key, (Kept, u64)>,
    clock: u64,
}

impl Made {
    fn find(&mut self, key: Key) -> Option<Kept> {
        self.clock += 1;
        let (kept, used) = self.entries.get_mut(&key)?;
        *used = self.clock;
        Some(kept.clone())
    }

    /// Takes out the plan that was not used for longest.
    fn oldest(&mut self) -> Option<Kept> {
        let idle = self.entries.iter().filter(|(_, (kept, _))| kept.idle());
        let key = *idle.min_by_key(|(_, (_, used))| *used)?.0;
        self.entries.remove(&key).map(|(kept, _)| kept)
    }

    fn bytes(&self) -> u64 {
        self.entries.values().map(|(kept, _)| kept.bytes()).sum()
    }
}

impl Plans {
    fn made(&self) -> MutexGuard<'_, Made> {
        // Maps are consistent after every statement.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, context: &Context, key: Key, build: impl FnOnce() -> Result<Kept>) -> Result<Kept> {
        if let Some(kept) = self.made().find(key) {
            return Ok(kept);
        }
        // Others go on meanwhile: a long line's plan takes seconds. Of two that are made at once the first is kept.
        let new = build()?;
        let mut dropped = Vec::new();
        {
            let mut made = self.made();
            if let Some(kept) = made.find(key) {
                return Ok(kept);
            }
            while made.entries.len() >= MAX_PLANS || made.bytes() + new.bytes() > MAX_BYTES {
                let Some(oldest) = made.oldest() else { break };
                dropped.push(oldest);
            }
            let now = made.clock;
            made.entries.insert(key, (new.clone(), now));
        }
        forget(context, &dropped);
        Context::count(&context.counters.plans);
        Ok(new)
    }

    /// The plan of a key, made when it is asked for first.
    pub(super) fn get(&self, context: &Context, key: PlanKey) -> Result<Arc<Plan>> {
        match self.find(context, Key::Plan(key), || Ok(Kept::Plan(Arc::new(build(context, key)?))))? {
            Kept::Plan(plan) => Ok(plan),
            Kept::Circle(_) => unreachable!("a plan is kept under its key"),
        }
    }

    /// The roots for lines of `points`, columns of a line of `whole` points where that is longer.
    pub(super) fn circle(&self, context: &Context, points: usize, whole: usize) -> Result<Arc<Circle>> {
        let build = || {
            let mut table = Table::default();
            circular::roots(&mut table, points);
            let between =
                if whole > points { table.long_roots(4 * whole, 4 * whole) } else { Roots::default() };
            Ok(Kept::Circle(Arc::new(Circle { tables: table.upload(context)?, between })))
        };
        match self.find(context, Key::Circle(points, whole), build)? {
            Kept::Circle(circle) => Ok(circle),
            Kept::Plan(_) => unreachable!("a circle is kept under its key"),
        }
    }

    /// Forgets the plan that was not used for longest, and its tables; whether there was one that no transform is using.
    pub(crate) fn forget_oldest(&self, context: &Context) -> bool {
        let oldest = self.made().oldest();
        forget(context, oldest.as_slice());
        oldest.is_some()
    }

    /// Forgets all plans and their tables.
    pub(crate) fn forget(&self) {
        self.made().entries.clear();
    }
}

/// Drops what names these tables: bind groups would keep them alive.
fn forget(context: &Context, dropped: &[Kept]) {
    let ids: Vec<u64> = dropped.iter().flat_map(Kept::tables).map(|t| t.id).collect();
    context.pipelines.forget_blocks(&ids);
}
