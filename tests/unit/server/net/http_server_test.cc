#include "server/net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/unit/server/net/http_client.h"

namespace walden {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpServerTest : public ::testing::Test {
 protected:
  void Start() {
    HttpServer::Routes routes = {
        {"/quick", {[](const HttpRequest&) { return HttpResponse{.body = "at once"}; }}},
        {"/echo", {[](const HttpRequest& request) { return HttpResponse{.body = request.query}; }}},
        {"/slow",
         {[this](const HttpRequest&) {
            ++slow_calls_;
            gate_.WaitForNotification();
            return HttpResponse{.body = "in the end"};
          },
          HttpServer::Speed::kSlow}},
        {"/large", {[](const HttpRequest&) {
           return HttpResponse{.body = std::string(size_t{32} << 20, 'x')};
         }}}};
    auto server = HttpServer::Start(options_, std::move(routes));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~HttpServerTest() override {
    if (!gate_.HasBeenNotified()) gate_.Notify();
  }

  const std::string& address() const { return server_->addresses()[0]; }
  std::string Answer(absl::string_view request) {
    HttpClient client(address());
    client.Send(request);
    return client.ReadAll();
  }

  HttpServerOptions options_{.listen = {"127.0.0.1:0"}};
  absl::Notification gate_;
  std::atomic<int> slow_calls_{0};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, APathIsAnsweredAndTheConnectionEnds) {
  Start();
  const std::string answer = HttpGet(address(), "/quick");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nat once"),
                            HasSubstr("Content-Length: 7\r\n"), HasSubstr("Connection: close\r\n"),
                            HasSubstr("X-Content-Type-Options: nosniff\r\n"),
                            HasSubstr("Content-Security-Policy: default-src 'none'")));
}

TEST_F(HttpServerTest, TheQueryIsNoPartOfThePath) {
  Start();
  EXPECT_EQ(BodyOf(HttpGet(address(), "/echo?a=1&b=%2F?c")), "a=1&b=%2F?c");
  EXPECT_EQ(BodyOf(HttpGet(address(), "/echo")), "");
}

TEST_F(HttpServerTest, OnlyExactPathsAreThere) {
  Start();
  for (const char* const path :
       {"/", "/quick/", "/Quick", "//quick", "/./quick", "/../quick", "/%71uick", "/etc/passwd"}) {
    EXPECT_THAT(HttpGet(address(), path), StartsWith("HTTP/1.1 404 Not Found\r\n")) << path;
  }
}

TEST_F(HttpServerTest, HeadIsAnsweredWithoutABody) {
  Start();
  EXPECT_THAT(Answer("HEAD /quick HTTP/1.1\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 7\r\n"), EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, WhatIsNoRequestIsRefused) {
  Start();
  EXPECT_THAT(Answer("POST /quick HTTP/1.1\r\n\r\nbody"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")));
  EXPECT_THAT(Answer("GET /quick HTTP/2.0\r\n\r\n"), StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(Answer("GET quick HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Answer("GET  /quick HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Answer("\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Answer("\x16\x03\x01\x02\n\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, OnlyNamesOfThisDaemonAreAnswered) {
  options_.hosts = {"walden.example"};
  Start();
  const auto ask = [this](absl::string_view host) {
    return Answer(absl::StrCat("GET /quick HTTP/1.1\r\nHost: ", host, "\r\n\r\n"));
  };
  for (const char* const host :
       {"127.0.0.1:7071", "10.1.2.3:7071", "192.0.2.7", "[::1]:7071", "[2001:db8::1]", "localhost",
        "LocalHost:80", "walden.localhost", "walden.example:7071", "Walden.Example."}) {
    EXPECT_THAT(ask(host), StartsWith("HTTP/1.1 200 ")) << host;
  }
  for (const char* const host : {"attacker.example", "attacker.example:7071", "127.0.0.1.nip.io",
                                 "localhost.attacker.example", "xwalden.example", "-"}) {
    EXPECT_THAT(ask(host), AllOf(StartsWith("HTTP/1.1 421 "), HasSubstr("metrics.hosts"))) << host;
  }
  EXPECT_THAT(Answer("GET /quick HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Answer("GET /quick HTTP/1.1\r\nHost: 127.0.0.1\r\nhost: attacker.example\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, ARequestMayComeInPieces) {
  Start();
  HttpClient client(address());
  for (const char c : std::string("GET /quick HTTP/1.0\r\n\r\n")) client.Send({&c, 1});
  EXPECT_THAT(client.ReadAll(), EndsWith("at once"));
}

TEST_F(HttpServerTest, AHeaderWithoutEndIsRefusedAtItsLimit) {
  Start();
  HttpClient client(address());
  client.Send("GET /quick HTTP/1.1\r\nX: ");
  client.Send(std::string(options_.max_request_bytes, 'x'));
  EXPECT_THAT(client.ReadAll(), AllOf(StartsWith("HTTP/1.1 431 "), HasSubstr("8192 bytes")));
  HttpClient endless(address());
  const std::string megabyte(size_t{1} << 20, 'y');
  for (int i = 0; i < 64 && endless.Send(megabyte); ++i) {
  }
  EXPECT_THAT(HttpGet(address(), "/quick"), EndsWith("at once"));
}

TEST_F(HttpServerTest, ASilentClientIsDisconnected) {
  options_.request_timeout = absl::Milliseconds(50);
  Start();
  HttpClient silent(address());
  HttpClient slow(address());
  slow.Send("GET /qui");
  EXPECT_EQ(silent.ReadAll(), "");
  EXPECT_EQ(slow.ReadAll(), "");
}

TEST_F(HttpServerTest, AClientThatTakesNoAnswerIsDisconnected) {
  options_.response_timeout = absl::Milliseconds(50);
  Start();
  HttpClient client(address());
  client.Send("GET /large HTTP/1.1\r\n\r\n");
  absl::SleepFor(absl::Milliseconds(500));
  EXPECT_LT(client.ReadAll().size(), size_t{32} << 20);
}

TEST_F(HttpServerTest, ALargeAnswerComesWhole) {
  Start();
  EXPECT_EQ(BodyOf(HttpGet(address(), "/large")).size(), size_t{32} << 20);
}

TEST_F(HttpServerTest, ManySilentClientsKeepNobodyElseOut) {
  Start();
  std::vector<std::unique_ptr<HttpClient>> silent;
  for (int i = 0; i < 300; ++i) {
    silent.push_back(std::make_unique<HttpClient>(address()));
    if (i % 50 == 0) {
      EXPECT_THAT(HttpGet(address(), "/quick"), EndsWith("at once")) << i;
    }
  }
  EXPECT_EQ(silent.front()->ReadAll(), "");  // had to make room
}

TEST_F(HttpServerTest, WhatIsQuickDoesNotWaitForWhatIsSlow) {
  Start();
  std::vector<std::unique_ptr<HttpClient>> waiting;
  for (int i = 0; i < 100; ++i) {
    waiting.push_back(std::make_unique<HttpClient>(address()));
    waiting.back()->Send("GET /slow HTTP/1.1\r\n\r\n");
  }
  EXPECT_THAT(HttpGet(address(), "/quick"), EndsWith("at once"));
  gate_.Notify();
  EXPECT_THAT(waiting.back()->ReadAll(), EndsWith("in the end"));
}

TEST_F(HttpServerTest, WhoHangsUpIsNotWorkedFor) {
  Start();
  HttpClient first(address());
  first.Send("GET /slow HTTP/1.1\r\n\r\n");
  while (slow_calls_ == 0) absl::SleepFor(absl::Milliseconds(1));
  // More than fit: those that came first have to go, and what they asked for with them.
  std::vector<std::unique_ptr<HttpClient>> more;
  for (int i = 0; i < 200; ++i) {
    more.push_back(std::make_unique<HttpClient>(address()));
    more.back()->Send("GET /slow HTTP/1.1\r\n\r\n");
  }
  EXPECT_THAT(HttpGet(address(), "/quick"), EndsWith("at once"));
  gate_.Notify();
  EXPECT_THAT(more.back()->ReadAll(), EndsWith("in the end"));
  EXPECT_LE(slow_calls_, 1 + static_cast<int>(options_.max_connections));
}

TEST_F(HttpServerTest, AnAddressInUseIsNamedWithTheReason) {
  Start();
  const auto second = HttpServer::Start({.listen = {address()}}, {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(),
              AllOf(HasSubstr(address()), HasSubstr("Address already in use")));
}

TEST_F(HttpServerTest, AHostThatIsNotThereIsNamedWithTheReason) {
  const auto server = HttpServer::Start({.listen = {"192.0.2.1:0"}}, {});
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(server.status().message(), AllOf(HasSubstr("192.0.2.1:0"), HasSubstr("assign")));
}

TEST_F(HttpServerTest, SeveralAddressesAreServedAndTheirPortsTold) {
  options_.listen = {"127.0.0.1:0", "localhost:0"};
  Start();
  ASSERT_EQ(server_->addresses().size(), 2u);
  EXPECT_THAT(server_->addresses()[0], Not(EndsWith(":0")));
  EXPECT_THAT(server_->addresses()[1], AllOf(StartsWith("localhost:"), Not(EndsWith(":0"))));
  EXPECT_THAT(HttpGet(server_->addresses()[0], "/quick"), EndsWith("at once"));
}

TEST_F(HttpServerTest, ItEndsWhileClientsAreThere) {
  Start();
  HttpClient silent(address());
  HttpClient reading(address());
  reading.Send("GET /large HTTP/1.1\r\n\r\n");
  server_ = nullptr;
  EXPECT_EQ(silent.ReadAll(), "");
}

}  // namespace
}  // namespace walden
