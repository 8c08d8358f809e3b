#include "base/utf8.h"

#include <gtest/gtest.h>

namespace walden {
namespace {

TEST(Utf8, WellFormedSequencesAreValid) {
  for (const char* text : {"", "plain", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    EXPECT_TRUE(IsValidUtf8(text)) << text;
  }
}

TEST(Utf8, EverythingElseIsInvalid) {
  for (const char* bytes : {
           "\x80",              // continuation alone
           "\xC3",              // cut off
           "\xC0\x80",          // overlong NUL
           "\xE0\x80\x80",      // overlong
           "\xED\xA0\x80",      // surrogate
           "\xF4\x90\x80\x80",  // above U+10FFFF
           "\xF5\x80\x80\x80",
           "\xE2\x28\xA1",
           "abc\xFF",
       }) {
    EXPECT_FALSE(IsValidUtf8(bytes));
  }
}

}  // namespace
}  // namespace walden
