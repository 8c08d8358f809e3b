#include "engine/rocksdb/companion/companion.h"

#include <cstring>
#include <utility>

#include "base/big_endian.h"
#include "base/checksum.h"
#include "engine/rocksdb/companion/companion_format.h"

namespace walden::rocks {
namespace {

template <typename Unsigned>
void Append(std::string& bytes, Unsigned value) {
  char field[sizeof(Unsigned)];
  PutBigEndian(field, value);
  bytes.append(field, sizeof(field));
}

// Reads fields off the front of bytes; `ok` turns false when the bytes end too early.
struct Fields {
  absl::string_view rest;
  bool ok = true;

  absl::string_view Bytes(size_t count) {
    if (rest.size() < count) ok = false;
    if (!ok) return "";
    const absl::string_view taken = rest.substr(0, count);
    rest.remove_prefix(count);
    return taken;
  }
  template <typename Unsigned>
  Unsigned Take() {
    const absl::string_view taken = Bytes(sizeof(Unsigned));
    return ok ? GetBigEndian<Unsigned>(taken.data()) : Unsigned{0};
  }
};

void AppendManifest(std::string& bytes, const CompanionManifest& manifest) {
  Append(bytes, manifest.number);
  Append(bytes, manifest.durable.length);
  Append(bytes, manifest.durable.crc);
}

CompanionManifest TakeManifest(Fields& fields) {
  CompanionManifest manifest;
  manifest.number = fields.Take<uint64_t>();
  manifest.durable.length = fields.Take<uint64_t>();
  manifest.durable.crc = fields.Take<uint32_t>();
  return manifest;
}

uint8_t EncodeState(Companion::State state) {
  switch (state) {
    case Companion::State::kTaking:
      return kStateTaking;
    case Companion::State::kOpen:
      return kStateOpen;
    case Companion::State::kClosed:
      return kStateClosed;
  }
  return kStateTaking;
}

std::optional<Companion::State> DecodeState(uint8_t state) {
  switch (state) {
    case kStateTaking:
      return Companion::State::kTaking;
    case kStateOpen:
      return Companion::State::kOpen;
    case kStateClosed:
      return Companion::State::kClosed;
    default:
      return std::nullopt;
  }
}

std::optional<Companion> DecodeBody(absl::string_view body) {
  Fields fields{body};
  Companion companion;
  if (fields.Take<uint8_t>() != kCompanionVersion) return std::nullopt;
  companion.generation = fields.Take<uint64_t>();
  companion.salt = fields.Take<uint64_t>();
  companion.namespace_id = fields.Take<uint8_t>();
  companion.namespace_name = std::string(fields.Bytes(fields.Take<uint8_t>()));
  const auto state = DecodeState(fields.Take<uint8_t>());
  if (!state) return std::nullopt;
  companion.state = *state;
  companion.numbers_through = fields.Take<uint64_t>();
  companion.manifest = TakeManifest(fields);
  companion.next = TakeManifest(fields);
  const size_t logs = fields.Take<uint16_t>();
  for (size_t i = 0; i < logs && fields.ok; ++i) {
    CompanionLog log;
    log.number = fields.Take<uint64_t>();
    log.durable.length = fields.Take<uint64_t>();
    log.durable.crc = fields.Take<uint32_t>();
    companion.logs.push_back(log);
  }
  if (!fields.ok || !fields.rest.empty()) return std::nullopt;
  return companion;
}

}  // namespace

std::string EncodeSlot(const Companion& companion) {
  std::string body;
  Append(body, kCompanionVersion);
  Append(body, companion.generation);
  Append(body, companion.salt);
  Append(body, companion.namespace_id);
  Append(body, static_cast<uint8_t>(companion.namespace_name.size()));
  body.append(companion.namespace_name, 0, UINT8_MAX);
  Append(body, EncodeState(companion.state));
  Append(body, companion.numbers_through);
  AppendManifest(body, companion.manifest);
  AppendManifest(body, companion.next);
  Append(body, static_cast<uint16_t>(companion.logs.size()));
  for (const CompanionLog& log : companion.logs) {
    Append(body, log.number);
    Append(body, log.durable.length);
    Append(body, log.durable.crc);
  }
  std::string checked;
  Append(checked, static_cast<uint32_t>(body.size()));
  checked += body;
  std::string slot(kSlotMagic.data(), kSlotMagic.size());
  Append(slot, Crc32c(checked));
  return slot + checked;
}

std::optional<Companion> DecodeSlot(absl::string_view slot) {
  if (slot.size() < kSlotBodyOffset ||
      std::memcmp(slot.data(), kSlotMagic.data(), kSlotMagic.size()) != 0) {
    return std::nullopt;
  }
  const uint32_t crc = GetU32(slot.data() + kSlotCrcOffset);
  const uint32_t length = GetU32(slot.data() + kSlotLengthOffset);
  if (length > slot.size() - kSlotBodyOffset) return std::nullopt;
  const absl::string_view checked =
      slot.substr(kSlotLengthOffset, kSlotBodyOffset - kSlotLengthOffset + length);
  if (Crc32c(checked) != crc) return std::nullopt;
  return DecodeBody(slot.substr(kSlotBodyOffset, length));
}

}  // namespace walden::rocks
