#include "c2_writer.hpp"

#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "threads.hpp"

namespace xpcs {
namespace {

constexpr int kGzipLevel = 4;

/// Byte k of every value together, as HDF5's shuffle filter does.
void shuffle(const std::vector<float>& values, std::vector<unsigned char>& out) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  const std::size_t n = values.size();
  out.resize(n * sizeof(float));
  for (std::size_t k = 0; k < sizeof(float); ++k) {
    for (std::size_t i = 0; i < n; ++i) out[k * n + i] = bytes[i * sizeof(float) + k];
  }
}

std::vector<unsigned char> deflated(const std::vector<float>& values) {
  std::vector<unsigned char> plain;
  shuffle(values, plain);
  uLongf size = compressBound(plain.size());
  std::vector<unsigned char> out(size);
  if (compress2(out.data(), &size, plain.data(), plain.size(), kGzipLevel) != Z_OK) throw Error(Code::internal, "zlib could not compress a chunk of C2");
  out.resize(size);
  return out;
}

}  // namespace

void C2Writer::take(const C2Band& band) {
  const auto start = std::chrono::steady_clock::now();
  if (band.firstRow == 0) open(band);
  write(band);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void C2Writer::open(const C2Band& band) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%05u", numbers_[band.bin]);
  name_ = prefix_ + digits;
  chunk_ = std::min(kChunk, band.frames);
  const hsize_t shape[2] = {band.frames, band.frames};
  const hsize_t chunk[2] = {chunk_, chunk_};
  const h5::Handle space(H5Screate_simple(2, shape, nullptr), H5Sclose);
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_chunk(creation.id(), 2, chunk);
  if (compression_ == Compression::gzip) {
    H5Pset_shuffle(creation.id());
    H5Pset_deflate(creation.id(), kGzipLevel);
  }
  data_ = h5::Handle(H5Dcreate2(file_.id(), name_.c_str(), H5T_IEEE_F32LE, space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
  if (!data_.ok()) throw Error(Code::io_failed, "cannot make " + name_ + " in " + file_.path());
}

void C2Writer::write(const C2Band& band) {
  const std::uint64_t firstColumn = band.firstRow / chunk_ * chunk_;
  const std::size_t chunks = (band.frames - firstColumn + chunk_ - 1) / chunk_;
  // A few chunks at a time, so that their copies stay small beside the band.
  const std::size_t batch = std::max(8u, 4 * threads_);
  std::vector<std::vector<float>> plain(std::min(batch, chunks));
  std::vector<std::vector<unsigned char>> packed(plain.size());
  for (std::size_t from = 0; from < chunks; from += batch) {
    const std::size_t n = std::min(batch, chunks - from);
    parallel_for(n, threads_, [&](std::size_t i, unsigned) {
      const std::uint64_t column = firstColumn + (from + i) * chunk_;
      const std::uint64_t columns = std::min(chunk_, band.frames - column);
      plain[i].assign(chunk_ * chunk_, 0.0F);
      for (std::uint64_t r = 0; r < band.rows; ++r) std::copy_n(band.values.data() + r * band.frames + column, columns, plain[i].data() + r * chunk_);
      if (compression_ == Compression::gzip) packed[i] = deflated(plain[i]);
    });
    for (std::size_t i = 0; i < n; ++i) {
      const hsize_t at[2] = {band.firstRow, firstColumn + (from + i) * chunk_};
      const bool gzip = compression_ == Compression::gzip;
      const void* bytes = gzip ? static_cast<const void*>(packed[i].data()) : plain[i].data();
      const std::size_t size = gzip ? packed[i].size() : plain[i].size() * sizeof(float);
      if (H5Dwrite_chunk(data_.id(), H5P_DEFAULT, 0, at, size, bytes) < 0) throw Error(Code::io_failed, "cannot write " + name_ + " into " + file_.path() + " (disk full?)");
    }
  }
}

}  // namespace xpcs
