//! Looks in memory: they end at once, and see what a test's script says at that time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::Fake;
use crate::error::Result;
use crate::node::probe::{Look, Looks, Seen, Wire};

/// A wire that depends on the time.
pub(crate) type Scripted = Rc<dyn Fn(Duration) -> Box<dyn Wire>>;

/// Looks that end at once.
pub(super) struct FakeLooks<'a>(&'a Fake, RefCell<Vec<(u64, Result<Seen, String>)>>);

impl<'a> FakeLooks<'a> {
    pub(super) fn of(fake: &'a Fake) -> Self {
        FakeLooks(fake, RefCell::default())
    }
}

impl Looks for FakeLooks<'_> {
    fn begin(&self, id: u64, _: Duration, look: Look) {
        let (wire, clock) = {
            let world = self.0.0.borrow();
            (world.wire.clone(), world.clock)
        };
        let seen = match wire {
            Some(wire) => look(&*wire(clock)),
            None => Err("no wire".into()),
        };
        self.1.borrow_mut().push((id, seen));
    }
    fn answers(&self) -> Vec<(u64, Result<Seen, String>)> {
        self.1.take()
    }
}
