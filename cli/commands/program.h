// The program `walden`: it reads the command line, runs the chosen command and reports its error.
#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace walden::cli {

struct Program;  // cli/commands/command.h

// Defines all commands and options, with their help texts, for programs that write manuals from them
// too. Parsing fills `program`, which outlives the app.
void DefineProgram(CLI::App& app, Program& program);

// Runs `walden` with the command line and returns its exit code.
int RunProgram(int argc, char** argv);

}  // namespace walden::cli
