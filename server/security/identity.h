// Who calls, and what they may do.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/types.h"

namespace grpc {
class ServerContextBase;
}

namespace walden {

// What a caller may do with a region.
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
  // Whether all of `others` are here.
  constexpr bool Include(Rights others) const { return (bits_ & others.bits_) == others.bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool operator==(const Rights&) const = default;

 private:
  constexpr explicit Rights(int bits) : bits_(static_cast<uint8_t>(bits)) {}

  uint8_t bits_ = 0;
};

// Somebody who was recognised. Immutable but for what it counts; any thread. A reload of the rules
// makes new ones.
class Identity {
 public:
  virtual ~Identity() = default;

  virtual absl::string_view name() const = 0;
  // Whether it has all of these rights.
  virtual bool Allows(NamespaceId in, RegionId region, Rights rights) const = 0;
  // Whether it has any right on the region, or on any region of the namespace.
  virtual bool KnowsRegion(NamespaceId in, RegionId region) const = 0;
  virtual bool KnowsNamespace(NamespaceId in) const = 0;
  // Whether it may administer anything.
  virtual bool Administers() const = 0;
  // For all of these, a namespace that does not exist is 0: only rules for every namespace are for
  // it.
};

// Recognises callers. Any thread may use it; must not block.
class AccessControl {
 public:
  virtual ~AccessControl() = default;

  // Who makes the call: by its metadata and its connection. UNAUTHENTICATED if that cannot be told.
  virtual absl::StatusOr<std::shared_ptr<const Identity>> Recognise(
      const grpc::ServerContextBase& call) const = 0;

  // Grows when identities or rights change: whoever was recognised at another number must be
  // recognised again.
  virtual uint64_t generation() const = 0;
};

}  // namespace walden
