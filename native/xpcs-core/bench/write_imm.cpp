// IMM files, sparse and dense.
#include <array>
#include <cstring>

#include "write_files.hpp"

namespace xpcs::bench {
namespace {

constexpr std::size_t kHeaderBytes = 1024;

template <class T>
void put(std::array<char, kHeaderBytes>& header, std::size_t at, T value) {
  std::memcpy(header.data() + at, &value, sizeof value);
}

std::array<char, kHeaderBytes> header_of(const SeriesShape& shape, std::uint64_t frame, bool sparse, std::uint32_t values) {
  std::array<char, kHeaderBytes> header{};
  put<std::int32_t>(header, 0, 2);
  put<std::int32_t>(header, 4, sparse ? 6 : 0);
  put(header, 56, static_cast<std::int32_t>(frame));
  put(header, 88, static_cast<std::int32_t>(shape.rows));
  put(header, 96, static_cast<std::int32_t>(shape.columns));
  put(header, 108, static_cast<std::int32_t>(shape.rows));
  put(header, 112, static_cast<std::int32_t>(shape.columns));
  put<std::int32_t>(header, 116, 2);
  put(header, 128, static_cast<double>(frame) * 1e-3);
  put(header, 152, values);
  put<std::int32_t>(header, 616, 12);
  put(header, 620, static_cast<std::int32_t>(frame));
  std::memset(header.data() + 1012, 0xFF, 12);
  return header;
}

}  // namespace

OutputFile::OutputFile(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {
  if (!file_) fail("cannot write " + path);
}

void OutputFile::write(const void* bytes, std::size_t n) {
  if (std::fwrite(bytes, 1, n, file_.get()) != n) fail("cannot write " + path_ + ": is the disk full?");
}

void OutputFile::close() {
  if (std::fclose(file_.release()) != 0) fail("cannot write " + path_ + ": is the disk full?");
}

std::uint64_t write_imm_sparse(const Series& series, const std::string& path) {
  OutputFile file(path);
  FrameEvents events;
  std::uint64_t total = 0;
  for (std::uint64_t frame = 0; frame < series.shape().frames; ++frame) {
    series.events(frame, events);
    const auto header = header_of(series.shape(), frame, true, static_cast<std::uint32_t>(events.pixel.size()));
    file.write(header.data(), header.size());
    file.write(events.pixel.data(), events.pixel.size() * sizeof(std::uint32_t));
    file.write(events.count.data(), events.count.size() * sizeof(std::uint16_t));
    total += events.pixel.size();
  }
  file.close();
  return total;
}

std::uint64_t write_imm_dense(const Series& series, const std::string& path) {
  OutputFile file(path);
  std::vector<std::uint16_t> counts;
  std::uint64_t total = 0;
  for (std::uint64_t frame = 0; frame < series.shape().frames; ++frame) {
    series.dense(frame, counts);
    const auto header = header_of(series.shape(), frame, false, static_cast<std::uint32_t>(counts.size()));
    file.write(header.data(), header.size());
    file.write(counts.data(), counts.size() * sizeof(std::uint16_t));
    for (const std::uint16_t count : counts) total += count > 0 ? 1 : 0;
  }
  file.close();
  return total;
}

}  // namespace xpcs::bench
