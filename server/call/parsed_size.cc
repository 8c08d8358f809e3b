#include "server/call/parsed_size.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>

namespace walden {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

// As many as protobuf parses.
constexpr int kMaxDepth = 100;
constexpr uint64_t kParsedScalarBytes = 16;

// Walks the fields of one message and of those inside it.
class ParsedSizeWalk {
 public:
  ParsedSizeWalk(google::protobuf::io::ZeroCopyInputStream* input, uint64_t limit)
      : input_(input), limit_(limit) {}

  // Walks to the current limit of the input. False if the rest cannot or need not be walked.
  bool Fields(const Descriptor& type, int depth) {
    if (depth > kMaxDepth) return false;
    while (const uint32_t tag = input_.ReadTagNoLastTag()) {
      if (!Field(type, tag, depth) || size_ > limit_) return false;
    }
    return true;
  }

  uint64_t size() const { return size_; }

 private:
  bool Field(const Descriptor& type, uint32_t tag, int depth) {
    const FieldDescriptor* const field =
        type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return Bytes(field, depth);
      case WireFormatLite::WIRETYPE_VARINT: {
        size_ += SizeOfScalar(field);
        uint64_t value = 0;
        return input_.ReadVarint64(&value);
      }
      case WireFormatLite::WIRETYPE_FIXED32:
        size_ += SizeOfScalar(field);
        return input_.Skip(sizeof(uint32_t));
      case WireFormatLite::WIRETYPE_FIXED64:
        size_ += SizeOfScalar(field);
        return input_.Skip(sizeof(uint64_t));
      default:  // groups, which no message has: what is inside is unknown too
        size_ += kParsedUnknownBytes;
        return true;
    }
  }

  static uint64_t SizeOfScalar(const FieldDescriptor* field) {
    if (field == nullptr) return kParsedUnknownBytes;
    if (field->is_repeated()) return kParsedScalarBytes;
    const bool is_scalar = field->cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
                           field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
    return is_scalar ? 0 : kParsedUnknownBytes;
  }

  bool Bytes(const FieldDescriptor* field, int depth) {
    uint32_t length = 0;
    if (!input_.ReadVarint32(&length)) return false;
    if (field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      return Message(*field->message_type(), static_cast<int>(length), depth);
    }
    if (field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      size_ += kParsedStringBytes + length;
    } else if (field != nullptr && field->is_packable()) {
      size_ += kParsedScalarBytes * length;
    } else {
      size_ += kParsedUnknownBytes + length;
    }
    return input_.Skip(static_cast<int>(length));
  }

  bool Message(const Descriptor& type, int length, int depth) {
    size_ += kParsedMessageBytes;
    const auto outer = input_.PushLimit(length);
    const bool is_whole = Fields(type, depth + 1) && input_.BytesUntilLimit() == 0;
    input_.PopLimit(outer);
    return is_whole;
  }

  google::protobuf::io::CodedInputStream input_;
  const uint64_t limit_;
  uint64_t size_ = 0;
};

}  // namespace

uint64_t ParsedSize(const grpc::ByteBuffer& bytes, const Descriptor& type, uint64_t limit) {
  grpc::ByteBuffer shared = bytes;
  grpc::ProtoBufferReader input(&shared);
  ParsedSizeWalk walk(&input, limit);
  walk.Fields(type, 0);
  return walk.size();
}

}  // namespace walden
