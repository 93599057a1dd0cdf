use std::process::ExitCode;

mod allocator;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    match edge::cli::arguments() {
        Ok(arguments) => edge::cli::run(arguments),
        Err(status) => status,
    }
}
