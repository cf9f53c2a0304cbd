#include "run_child.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "series.hpp"

namespace xpcs::bench {
namespace {

double seconds(const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); }

void redirect(const std::string& path, int to) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || ::dup2(fd, to) < 0) ::_exit(127);
  ::close(fd);
}

}  // namespace

ChildReport run_child(const std::vector<std::string>& command, const std::string& stdoutPath, const std::string& stderrPath) {
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const auto start = std::chrono::steady_clock::now();
  const pid_t pid = ::fork();
  if (pid < 0) fail("cannot start a process");
  if (pid == 0) {
    redirect(stdoutPath, STDOUT_FILENO);
    redirect(stderrPath, STDERR_FILENO);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  struct rusage usage {};
  while (::wait4(pid, &status, 0, &usage) < 0) {
    if (errno != EINTR) fail("cannot wait for " + command[0]);
  }
  const double wallS = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const int exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {exitCode, wallS, seconds(usage.ru_utime), seconds(usage.ru_stime), static_cast<double>(usage.ru_maxrss) * 1024};
}

}  // namespace xpcs::bench
