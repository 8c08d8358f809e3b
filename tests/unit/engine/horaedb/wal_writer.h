// Writes HoraeDB's local log from the text of its format alone; nothing here is shared with the
// code that reads it.
#pragma once

#include <cstdint>
#include <string>

#include "engine/io/file_system.h"

namespace walden::testing {

inline uint32_t SlowCrc32(const std::string& bytes) {
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
  }
  return ~crc;
}

inline std::string BigEndian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

inline std::string LittleEndian64(uint64_t value) {
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

inline std::string WalRecordOf(uint64_t table, uint64_t sequence, const std::string& value) {
  const uint32_t crc = SlowCrc32(LittleEndian64(table) + LittleEndian64(sequence) +
                                 LittleEndian64(value.size()) + value);
  return std::string(1, '\0') + BigEndian(crc, 4) + BigEndian(table, 8) + BigEndian(sequence, 8) +
         BigEndian(value.size(), 4) + value;
}

inline std::string WalRecord(uint64_t table, uint64_t sequence, const std::string& payload) {
  return WalRecordOf(table, sequence, std::string(1, '\0') + payload);
}

inline std::string WalMagic() { return std::string(1, '\0') + "HoraeDBWAL"; }

// The bytes, zeros behind them; durable.
inline void WriteWalFile(FileSystem& files, const std::string& path, const std::string& bytes,
                         size_t file_bytes = 64 << 10) {
  (void)files.RemoveFile(path);
  auto file = files.CreateFile(path);
  std::string whole = bytes;
  if (whole.size() < file_bytes) whole.resize(file_bytes, '\0');
  (void)(*file)->Write(0, {whole});
  (void)(*file)->SyncData();
  (void)files.SyncDirectory(path.substr(0, path.rfind('/')));
}

}  // namespace walden::testing
