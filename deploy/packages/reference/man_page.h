// A man page in troff's `man` macros, made from the help texts of a program.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace walden::reference {

// `section`: the manual's section, 1 or 8. `see_also`: a page such as "waldend(8)".
std::string ManPage(const CLI::App& app, int section, const std::string& version,
                    const std::string& see_also);

}  // namespace walden::reference
