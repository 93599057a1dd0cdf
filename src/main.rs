use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match edge::cli::arguments() {
        Ok(arguments) => edge::cli::run(arguments),
        Err(status) => status,
    }
}
