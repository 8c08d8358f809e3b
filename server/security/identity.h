// A caller and its rights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/identities_file.h"
#include "engine/types.h"

namespace walden {

// A permission on a region.
enum class Right : uint8_t {
  kAppend = 1,
  kRead = 2,
  kDelete = 4,  // mark deleted, finalize
  kAdmin = 8,   // close, drop, verify
};

// A set of rights.
class Rights {
 public:
  constexpr Rights() = default;
  constexpr Rights(Right right) : bits_(static_cast<uint8_t>(right)) {}  // NOLINT: a set of one

  constexpr Rights operator|(Rights other) const { return Rights(bits_ | other.bits_); }
  // Whether this set has all of `others`.
  constexpr bool Include(Rights others) const { return (bits_ & others.bits_) == others.bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool operator==(const Rights&) const = default;

 private:
  constexpr explicit Rights(int bits) : bits_(static_cast<uint8_t>(bits)) {}

  uint8_t bits_ = 0;
};

// An authenticated caller, as an entry of the identities file describes it. Immutable; any thread.
// A reload of the file makes new objects.
//
// A namespace that does not exist has the id 0 here: only rules for every namespace apply to
// it.
class Identity {
 public:
  explicit Identity(const IdentityConfig& config);

  const std::string& name() const { return name_; }
  // Whether it has all of these rights.
  bool Allows(NamespaceId ns, RegionId region, Rights rights) const;
  // Whether it has any right on the region, or on any region of the namespace.
  bool KnowsRegion(NamespaceId ns, RegionId region) const;
  bool KnowsNamespace(NamespaceId ns) const;
  // Whether it may administer any region.
  bool Administers() const;

 private:
  struct Rule {
    NamespaceId ns;  // 0: all
    std::vector<RegionRange> regions;
    Rights rights;
  };

  Rights RightsOn(NamespaceId ns, RegionId region) const;

  const std::string name_;
  std::vector<Rule> rules_;
};

}  // namespace walden
