pub fn run(_: &super::args::Cli, _: &super::args::StoreArgs) -> crate::Result<crate::ui::Answer> {
    Err(crate::Error::bug("x"))
}
