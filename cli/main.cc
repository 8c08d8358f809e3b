#include "cli/commands/program.h"

int main(int argc, char** argv) { return walden::cli::RunProgram(argc, argv); }
