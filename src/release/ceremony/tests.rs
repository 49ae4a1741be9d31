//! Ceremonies in memory: who may sign what, and what nobody should.
