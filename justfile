# The Makefile under the names that some people type. `just` lists them.

set positional-arguments := true

# List the recipes.
default:
    @just --list --unsorted

# Start a server on this machine. A name such as `robosystems` is accepted and means the same.
start name="robosystems":
    @make serve

# Run every static check.
lint:
    @make check

# Repair style and format.
format:
    @make format

# Run the tests, all or those named.
test *tests:
    @make test {{ if tests == "" { "" } else { "TESTS='" + tests + "'" } }}

# Measure against the bare engine.
bench:
    @make bench

# Repeat the random faults.
soak:
    @make soak

# Write the documents derived from the code.
docs:
    @make docs
