// Runs the real `walden` as a child process.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace walden::cli {

struct Outcome {
  int exit_code = -1;  // 128 + signal if a signal ended it
  std::string out;
  std::string err;
};

// A running `walden`, neither of whose streams is a terminal. One thread at a time.
class WaldenProcess {
 public:
  explicit WaldenProcess(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment = {});
  ~WaldenProcess();  // kills it if it still runs
  WaldenProcess(const WaldenProcess&) = delete;
  WaldenProcess& operator=(const WaldenProcess&) = delete;

  void Feed(const std::string& input);
  void CloseInput();
  void CloseOutput();  // as `head` does
  void Signal(int signal_number);

  // Reads standard output until `text` is in it; false if it ends before that.
  bool WaitForOutput(const std::string& text);

  // The same for standard error.
  bool WaitForError(const std::string& text);

  // Until it ends.
  Outcome Wait();

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int err_ = -1;
  std::string seen_;
  std::string seen_errors_;
};

// Runs it with `input` to its end.
Outcome RunWalden(const std::vector<std::string>& arguments, const std::string& input = "");

}  // namespace walden::cli
