# SPDX-License-Identifier: LGPL-2.1-or-later
#
# client.rb get URL: prints what comes
# client.rb many URL THREADS N: prints how many of N requests by each thread, on a connection kept alive, went well
# client.rb race HOST PORT...: connects without blocking to each, and prints in order what became of it
require 'net/http'
require 'socket'

what, target, *rest = ARGV
case what
when 'get'
  puts Net::HTTP.get(URI(target))
when 'many'
  threads, n = rest.map(&:to_i)
  uri = URI(target)
  counts = (1..threads).map do
    Thread.new do
      Net::HTTP.start(uri.host, uri.port) { |http| (1..n).count { http.get(uri.path).is_a?(Net::HTTPOK) } }
    end
  end
  puts counts.sum(&:value)
when 'race'
  rest.each do |port|
    address = Socket.pack_sockaddr_in(port.to_i, target)
    socket = Socket.new(:INET, :STREAM)
    begin
      begin
        socket.connect_nonblock(address)
      rescue IO::WaitWritable
        IO.select(nil, [socket])
        begin
          socket.connect_nonblock(address)
        rescue Errno::EISCONN
        end
      end
      puts "#{port} connected to #{socket.remote_address.inspect_sockaddr}"
    rescue SystemCallError => e
      puts "#{port} #{e.class}"
    end
    socket.close
  end
end
