//! Recorded incidents, and the matrix at work on them: each row fires in its window and not a look earlier, each exception
//! holds, and what is not known does neither.

mod exceptions;
mod film;
mod hostile;
mod rows;
