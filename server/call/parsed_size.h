// Bounds the memory that a request takes once it is parsed.
//
// A message of a few bytes can become a hundred times as many: two bytes suffice for an empty payload
// or append, which is an object of its own when it is parsed. So the fields of a message are counted
// before it is parsed.
#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>

namespace walden {

// Bytes that a field takes besides its own, at most. AdminService.GetServerInfo documents these numbers.
inline constexpr uint64_t kParsedStringBytes = 96;    // a payload, key or value
inline constexpr uint64_t kParsedMessageBytes = 160;  // an append, table, put, entry, time or mark
inline constexpr uint64_t kParsedUnknownBytes = 128;  // a field that this version does not know

// Bytes that a message of this type takes once it is parsed, at most. Stops counting past `limit`, and
// where the bytes are no valid message, as parsing does.
uint64_t ParsedSize(const grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type,
                    uint64_t limit);

}  // namespace walden
