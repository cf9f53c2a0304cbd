#pragma once
// Writers of the measurements' inputs, each from the format's definition (docs/formats.md, docs/job-file.md). Each
// returns the number of events (pixels with photons) that it wrote.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "series.hpp"

namespace xpcs::bench {

/// A file that is written front to back; close() says whether all of it arrived.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  void write(const void* bytes, std::size_t n);
  void close();

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
};

std::uint64_t write_imm_sparse(const Series& series, const std::string& path);
std::uint64_t write_imm_dense(const Series& series, const std::string& path);
/// Rigaku 64-bit words; the first frame has number 1, as job files expect it.
std::uint64_t write_rigaku(const Series& series, const std::string& path);
std::uint64_t write_ufxc(const Series& series, const std::string& path);
/// /entry/data/data [frames, rows, columns] of `wordBytes` (1, 2, 4), no filter, one frame a chunk.
std::uint64_t write_hdf5(const Series& series, const std::string& path, std::size_t wordBytes);

/// The rings of the maps: 20 dynamic of 5 static each, of equal width, from the centre to the corners.
struct JobFacts {
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint64_t frames;
  std::uint32_t delaysPerLevel;
  std::string input;
  bool twotime;
  /// x_dimension holds the rows and y_dimension the columns.
  bool exchangeDimensions;
};
void write_job(const JobFacts& facts, const std::string& path);
/// The same rings as a NeXus q-map, as pySimpleMask writes it.
void write_qmap(std::uint32_t rows, std::uint32_t columns, const std::string& path);

}  // namespace xpcs::bench
