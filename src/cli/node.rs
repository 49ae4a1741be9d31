use super::args::*;
use crate::ui::*;
use crate::*;
pub fn install(_: &Cli, _: &InstallArgs, _: &mut Progress) -> Result<Answer> {
    Err(crate::Error::bug("x"))
}
pub fn rollback(_: &Cli, _: &RollbackArgs, _: &mut Progress) -> Result<Answer> {
    Err(crate::Error::bug("x"))
}
pub fn status(_: &Cli, _: &NodeArgs) -> Result<Answer> {
    Err(crate::Error::bug("x"))
}
