// Checks of the values of options, made while the command line is parsed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace walden::cli {

// Returns what is wrong with the text, empty if nothing is. May rewrite it to a plainer spelling of
// the same value.
using ValueCheck = std::function<std::string(std::string& text)>;

// These rewrite the text as plain decimal digits: a parser of C++ numbers would take -1 as a huge
// number and 010 as eight.
ValueCheck Number(uint64_t min = 0, uint64_t max = UINT64_MAX);
ValueCheck ByteSize(uint64_t min, uint64_t max);
// As milliseconds.
ValueCheck Millis();

// A moment: a duration before now ("10m", "7d") or after it, or a time as ParseTime takes it. As
// milliseconds since the Unix epoch, rounded down.
ValueCheck PastMoment();
ValueCheck FutureMoment();
// The two forms of a past moment, each alone.
ValueCheck Moment();
ValueCheck Age();

// The name of a namespace, as namespaces[].name of the configuration; and the same or an id, 1 to
// 255. Digits are an id.
ValueCheck NamespaceName();
ValueCheck NamespaceIdOrName();

// One of these words.
ValueCheck OneOf(std::vector<std::string> words);

}  // namespace walden::cli
