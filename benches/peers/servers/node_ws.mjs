// Node ws, as in its README: echo, and broadcast to all clients.
import { WebSocket, WebSocketServer } from 'ws'

const [port, mode] = process.argv.slice(2)
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(port) })

server.on('connection', (socket) => {
  socket.on('error', () => {})
  socket.on('message', (data, isBinary) => {
    if (mode === 'echo') return socket.send(data, { binary: isBinary })
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary })
    }
  })
})
