// The program `walden`: it reads the command line, runs the chosen command and reports its error.
#pragma once

namespace walden::cli {

// Runs `walden` with the command line and returns its exit code.
int RunProgram(int argc, char** argv);

}  // namespace walden::cli
