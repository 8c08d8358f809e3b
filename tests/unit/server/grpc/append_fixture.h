// A server, and requests of Append and AppendStream.
#pragma once

#include <deque>
#include <string>

#include "tests/unit/server/grpc/walden_server_fixture.h"

namespace walden {

class AppendTest : public WaldenServerTest {
 protected:
  static v1::AppendStreamRequest Request(uint64_t id, uint64_t region, const std::string& payload) {
    v1::AppendStreamRequest request;
    v1::StreamedAppend* const streamed = request.add_appends();
    streamed->set_request_id(id);
    streamed->mutable_append()->set_region_id(region);
    v1::TableAppend* const part = streamed->mutable_append()->add_tables();
    part->set_table_id(1);
    part->add_payloads(payload);
    return request;
  }
  static v1::AppendRequest Single(uint64_t region, const std::string& payload) {
    return Request(0, region, payload).appends(0).append();
  }

  using Stream = grpc::ClientReaderWriter<v1::AppendStreamRequest, v1::AppendStreamResponse>;

  // The next answer of the stream; false at its end.
  bool Next(Stream* stream, v1::StreamedAppendResult* result) {
    while (results_.empty()) {
      v1::AppendStreamResponse response;
      if (!stream->Read(&response)) return false;
      results_.assign(response.results().begin(), response.results().end());
    }
    *result = results_.front();
    results_.pop_front();
    return true;
  }

 private:
  std::deque<v1::StreamedAppendResult> results_;  // read and not yet returned
};

}  // namespace walden
