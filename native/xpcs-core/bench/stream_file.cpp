// One streaming read of a file, shared among threads.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "bounds.hpp"
#include "series.hpp"

namespace xpcs::bench {
namespace {

/// A buffer that stays in the second-level cache.
constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr int kPasses = 4;

double one_pass(int fd, std::uint64_t bytes, unsigned threads) {
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    std::vector<char> buffer(kBlockBytes);
    for (std::uint64_t at = next.fetch_add(kBlockBytes); at < bytes; at = next.fetch_add(kBlockBytes)) {
      if (::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(at)) <= 0) failed = true;
    }
  };
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> pool;
    for (unsigned t = 1; t < threads; ++t) pool.emplace_back(work);
    work();
  }
  if (failed) fail("the file cannot be read to its end");
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

StreamRate measure_stream(const std::string& path, unsigned threads) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts {};
  if (fd < 0 || ::fstat(fd, &facts) != 0) fail("cannot read " + path);
  const auto bytes = static_cast<std::uint64_t>(facts.st_size);
  double best = 1e300;
  for (int pass = 0; pass < kPasses; ++pass) best = std::min(best, one_pass(fd, bytes, threads));
  ::close(fd);
  return {bytes, best};
}

}  // namespace xpcs::bench
