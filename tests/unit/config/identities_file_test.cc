#include "config/identities_file.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/unit/config/config_testing.h"

namespace walden {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::vector<NamespaceConfig>& Namespaces() {
  static const auto& namespaces = *new std::vector<NamespaceConfig>{{.id = 1, .name = "default"},
                                                                    {.id = 7, .name = "manifest"}};
  return namespaces;
}

std::string Hash(char digit) { return std::string(64, digit); }

std::vector<IdentityConfig> MustLoadIdentities(const std::string& text) {
  auto loaded = LoadIdentitiesText(text, "i.yaml", Namespaces());
  if (!loaded.ok()) {
    ADD_FAILURE() << "refused:\n" << loaded.status();
    return {};
  }
  return *std::move(loaded);
}

std::vector<std::string> Refusals(const std::string& text) {
  const auto loaded = LoadIdentitiesText(text, "i.yaml", Namespaces());
  if (loaded.ok()) return {};
  return absl::StrSplit(std::string(loaded.status().message()), '\n');
}

std::string Identity(const std::string& rest) {
  return absl::StrCat("- {name: a, certificate_name: n, rules: [", rest, "]}\n");
}

TEST(Identities, HoldNamesHashesCertificatesAndRules) {
  const auto identities = MustLoadIdentities(absl::StrCat(R"(
- name: ingest@db-1.x_Y
  token_sha256: [)",
                                                          Hash('a'), ", ", Hash('F'), R"(]
  rules:
    - namespace: manifest
      regions: [1, "100-199", 18446744073709551615]
      rights: [append, read]
    - {namespace: "*", regions: "*", rights: delete}
- name: ops
  certificate_name: ["spiffe://x/ops", ops.example, Mrs. Ops]
  rules: []
)"));
  ASSERT_THAT(identities, SizeIs(2));
  EXPECT_EQ(identities[0].name, "ingest@db-1.x_Y");
  ASSERT_THAT(identities[0].token_hashes, SizeIs(2));
  EXPECT_EQ(identities[0].token_hashes[0][31], 0xAA);
  EXPECT_EQ(identities[0].token_hashes[1][0], 0xFF);
  EXPECT_THAT(
      identities[0].rules,
      ElementsAre(
          IdentityRule{.namespace_id = 7,
                       .regions = {{1, 1}, {100, 199}, {UINT64_MAX, UINT64_MAX}},
                       .append = true,
                       .read = true},
          IdentityRule{.namespace_id = 0, .regions = {{0, UINT64_MAX}}, .mark_deleted = true}));
  EXPECT_THAT(identities[1].certificate_names,
              ElementsAre("spiffe://x/ops", "ops.example", "Mrs. Ops"));
  EXPECT_THAT(identities[1].rules, IsEmpty());
}

TEST(Identities, NobodyAtAllIsAnEmptyList) { EXPECT_THAT(MustLoadIdentities("[]"), IsEmpty()); }

TEST(Identities, AFileWithoutAListIsRefused) {
  for (const char* const text : {"", "# nothing", "a: b", "x", "- {", "[]\n---\n[]"}) {
    EXPECT_THAT(Refusals(text), SizeIs(1)) << text;
  }
}

TEST(Identities, ProblemsNameFileLineAndColumnAndAllOfThem) {
  EXPECT_THAT(Refusals("- nme: a\n  token_sha256: 12\n  rules:\n"
                       "    - {namespace: defalt, regions: 9-3, rights: [write]}\n"),
              ElementsAre("i.yaml:1:3: [0].nme: is not a known key, did you mean name?",
                          HasSubstr("i.yaml:4:19: [0].rules[0].namespace: \"defalt\" is not a "
                                    "configured namespace, did you mean default?"),
                          HasSubstr("i.yaml:4:36: [0].rules[0].regions: \"9-3\" is not a region"),
                          HasSubstr("i.yaml:4:50: [0].rules[0].rights: \"write\" is not a right"),
                          HasSubstr("i.yaml:2:17: [0].token_sha256: must be 64 hexadecimal digits"),
                          "i.yaml:1:3: [0]: has no name"));
}

TEST(Identities, AValueOfATokenHashIsNeverRepeated) {
  for (const std::string token :
       {"walden_abcdefghijklmnopqrstuvwxyz", "secret",
        "g123456789012345678901234567890123456789012345678901234567890123"}) {
    const auto refusals =
        Refusals(absl::StrCat("- {name: a, token_sha256: ", token, ", rules: []}"));
    ASSERT_THAT(refusals, SizeIs(1));
    EXPECT_THAT(refusals[0], Not(HasSubstr(token)));
    EXPECT_THAT(refusals[0], HasSubstr(absl::StrCat("has ", token.size(), " characters")));
  }
}

TEST(Identities, WhatIsMissingIsNamed) {
  EXPECT_THAT(Refusals("- {name: a, certificate_name: n}"), ElementsAre(HasSubstr("no rules")));
  EXPECT_THAT(Refusals("- {name: a, rules: []}"),
              ElementsAre(HasSubstr("could never be recognised")));
  EXPECT_THAT(Refusals(Identity("{}")), ElementsAre(HasSubstr("rules[0].namespace: is missing"),
                                                    HasSubstr("rules[0].regions: is missing"),
                                                    HasSubstr("rules[0].rights: is missing")));
}

TEST(Identities, WhatTwoHaveIsRefused) {
  const auto two = [](const std::string& first, const std::string& second) {
    return Refusals(absl::StrCat("- {rules: [], ", first, "}\n- {rules: [], ", second, "}\n"));
  };
  EXPECT_THAT(two("name: a, certificate_name: n", "name: a, certificate_name: m"),
              ElementsAre(HasSubstr("i.yaml:2:21: [1].name: \"a\" is another identity's, too")));
  EXPECT_THAT(two("name: a, certificate_name: n", "name: b, certificate_name: [m, n]"),
              ElementsAre(HasSubstr("\"n\" stands in this file twice")));
  EXPECT_THAT(two(absl::StrCat("name: a, token_sha256: ", Hash('a')),
                  absl::StrCat("name: b, token_sha256: ", Hash('A'))),
              ElementsAre(HasSubstr("token_sha256: stands in this file twice")));
  EXPECT_THAT(Refusals("- {name: a, name: b, certificate_name: n, rules: []}"),
              ElementsAre(HasSubstr("[0].name: is set twice")));
}

TEST(Identities, RegionsThatAreNoneAreRefused) {
  for (const std::string regions : {"-1", "1-", "-", "a", "\"\"", "1-2-3", "0x10",
                                    "18446744073709551616", "1.5", "\" 1\"", "**", "{}", "[[1]]"}) {
    EXPECT_THAT(Refusals(Identity(
                    absl::StrCat("{namespace: default, rights: read, regions: ", regions, "}"))),
                SizeIs(1))
        << regions;
  }
}

TEST(Identities, NamesThatCouldBreakALogLineAreRefused) {
  for (const std::string name :
       {"\"\"", "\"a b\"", "\"a\\nb\"", "../x", "a/b", "\"a\\0\"", "[a]"}) {
    EXPECT_THAT(Refusals(absl::StrCat("- {name: ", name, ", certificate_name: n, rules: []}")),
                Not(IsEmpty()))
        << name;
  }
  EXPECT_THAT(Refusals(absl::StrCat("- {name: ", std::string(65, 'a'),
                                    ", certificate_name: n, rules: []}")),
              SizeIs(1));
}

TEST(Identities, AFileThatIsNotThereIsNamed) {
  const auto loaded = LoadIdentities("/no/such/file", Namespaces());
  EXPECT_TRUE(absl::IsNotFound(loaded.status())) << loaded.status();
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("/no/such/file"));
}

}  // namespace
}  // namespace walden
