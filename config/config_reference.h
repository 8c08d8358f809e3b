// The documentation of every field, written from the table of fields.
#pragma once

#include <string>

namespace walden {

// config/waldend.yaml: every field with its default, what it is for and what is allowed.
std::string DefaultFileReference();

// The tables in docs/operators/configuration.md.
std::string MarkdownReference();

}  // namespace walden
