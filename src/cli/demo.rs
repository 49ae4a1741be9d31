use super::args::*;
use crate::ui::*;
use crate::*;
pub fn run(_: &Cli, _: &DemoArgs, _: &mut Progress) -> Result<Answer> {
    Err(crate::Error::bug("x"))
}
