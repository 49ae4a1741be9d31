//! The rules, one at a time, over facts made by hand.
