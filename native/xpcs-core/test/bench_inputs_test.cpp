// The inputs of the speed measurements: their statistics are right, and the library reads what their writers wrote.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "../bench/write_files.hpp"
#include "xpcs/analysis.hpp"

using namespace xpcs;

namespace {

/// A folder that is gone at the end of the test.
struct TemporaryFolder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("xpcs-bench-test-" + std::to_string(::getpid()));
  TemporaryFolder() { std::filesystem::create_directories(path); }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file(const char* name) const { return (path / name).string(); }
};

constexpr std::uint32_t kRows = 48;
constexpr std::uint32_t kColumns = 64;
constexpr std::uint64_t kFrames = 40;

using Writer = std::uint64_t (*)(const bench::Series&, const std::string&);

/// Events by the writer and by the library; equal when both mean the same file.
void check_input(double mean, Format format, Writer write, bool exchangeDimensions) {
  const TemporaryFolder folder;
  const bench::Series series({kRows, kColumns, kFrames, mean, 7});
  const std::uint64_t written = write(series, folder.file("input"));
  bench::write_job({kRows, kColumns, kFrames, 4, "input", false, exchangeDimensions}, folder.file("job.hdf"));
  Request request;
  request.job = folder.file("job.hdf");
  request.format = format;
  request.out = folder.file("result.hdf");
  request.threads = 1;
  const Summary summary = run_analysis(request, {});
  CHECK(summary.frames == kFrames);
  CHECK(summary.events == written);
  CHECK(summary.staticBins > 50);
  CHECK(summary.dynamicBins == 20);
}

std::uint64_t write_u8(const bench::Series& series, const std::string& path) { return bench::write_hdf5(series, path, 1); }
std::uint64_t write_u16(const bench::Series& series, const std::string& path) { return bench::write_hdf5(series, path, 2); }

}  // namespace

TEST_CASE("simulated counts are Poisson, sparse and dense") {
  for (const double mean : {0.01, 0.3, 5.0}) {
    const bench::Series series({100, 100, 200, mean, 3});
    const double pixels = 100.0 * 100 * 200;
    bench::FrameEvents events;
    std::vector<std::uint16_t> counts;
    double sparseSum = 0, occupied = 0, denseSum = 0, denseSquares = 0;
    for (std::uint64_t frame = 0; frame < 200; ++frame) {
      series.events(frame, events);
      occupied += static_cast<double>(events.pixel.size());
      for (const auto count : events.count) sparseSum += count;
      series.dense(frame, counts);
      for (const auto count : counts) {
        denseSum += count;
        denseSquares += count * count;
      }
    }
    const double fiveSigma = 5 * std::sqrt(mean / pixels);
    CHECK(std::abs(sparseSum / pixels - mean) < fiveSigma);
    CHECK(std::abs(denseSum / pixels - mean) < fiveSigma);
    CHECK(std::abs(occupied / pixels - (1 - std::exp(-mean))) < fiveSigma);
    const double variance = denseSquares / pixels - denseSum / pixels * (denseSum / pixels);
    CHECK(std::abs(variance / mean - 1) < 0.02);
  }
}

TEST_CASE("a frame depends on its seed and number alone") {
  const bench::Series series({30, 30, 10, 0.1, 5});
  const bench::Series other({30, 30, 10, 0.1, 6});
  bench::FrameEvents first, again, different;
  series.events(3, first);
  series.events(4, again);
  series.events(3, again);
  other.events(3, different);
  CHECK(first.pixel == again.pixel);
  CHECK(first.count == again.count);
  CHECK(first.pixel != different.pixel);
}

TEST_CASE("the library reads the simulated files") {
  check_input(0.02, Format::imm, bench::write_imm_sparse, false);
  check_input(5, Format::imm, bench::write_imm_dense, false);
  check_input(0.02, Format::rigaku, bench::write_rigaku, false);
  check_input(0.02, Format::ufxc, bench::write_ufxc, false);
  check_input(0.02, Format::hdf5, write_u8, false);
  check_input(5, Format::hdf5, write_u16, true);
}

TEST_CASE("the NeXus q-map has what the result needs") {
  const TemporaryFolder folder;
  const bench::Series series({kRows, kColumns, kFrames, 0.05, 7});
  const std::uint64_t written = bench::write_imm_sparse(series, folder.file("input"));
  bench::write_qmap(kRows, kColumns, folder.file("qmap.hdf"));
  Request request;
  request.input = folder.file("input");
  request.qmap = folder.file("qmap.hdf");
  request.frameTimeS = 1e-3;
  request.out = folder.file("result.hdf");
  CHECK(run_analysis(request, {}).events == written);
}
