//! The binary: everything is in the library, so that tests reach it.

fn main() -> std::process::ExitCode {
    shared::entry::main(&plugin_package::PLUGIN, plugin_package::run)
}
